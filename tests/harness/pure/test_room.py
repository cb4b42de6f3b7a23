"""Nodes without room, with a wrong clock, or that cannot find the head node: each named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.dynamo.budget import budget_words, too_little_time
from harness.dynamo.head_address import wrong_address
from harness.dynamo.plan import Plan, make_plan
from harness.nodes.condition import Folder
from harness.nodes.room import (
    short_of_disk,
    short_of_memory,
    short_of_shm,
    size_words,
    unreadable_room,
    without_huge_pages,
    wrong_clocks,
)
from harness.nodes.snapshot import Unreadable
from harness.settings import Settings
from tests.harness.pure.fitness_kit import fit_node, nodes

ALL = {"node1", "node2", "node3"}


def test_fit_nodes_have_nothing_to_be_said_of() -> None:
    fit = nodes()

    assert not list(short_of_memory(fit, ranks_per_node=4))
    assert not list(short_of_disk(fit, {"/tmp": 64}))
    assert not list(without_huge_pages(fit, ALL))
    assert not list(short_of_shm(fit, ALL, expert_bytes=1 << 30))
    assert not list(wrong_clocks(fit))
    assert not list(unreadable_room(fit))


def test_too_little_memory_is_told_with_both_numbers() -> None:
    full = nodes(fit_node("node2", memory_available_mib=700))

    assert list(short_of_memory(full, ranks_per_node=4)) == [
        "node2: 700 MiB of memory are free, 4 ranks need 1024 MiB at the very least"
    ]


def test_a_full_folder_and_one_that_is_not_seen_are_told() -> None:
    unseen = {
        "folders": (Folder("/runs/x", None),),
        "errors": (Unreadable("folders", "/runs/x: No such file or directory"),),
    }
    full = nodes(fit_node("node2", folders=(Folder("/tmp", 3),)), fit_node("node3", **unseen))

    assert list(short_of_disk(full, {"/tmp": 64, "/runs/x": 512})) == [
        "node2: /tmp has 3 MiB free, 64 are needed",
        "node3: /runs/x: No such file or directory",
    ]


def test_folders_that_do_not_answer_are_not_seen() -> None:
    """A mount that hangs says nothing at all: not that there is room."""
    hangs = Unreadable("folders", "no answer within 5 s")
    silent = nodes(fit_node("node3", folders=None, errors=(hangs,)))

    [told] = short_of_disk(silent, {"/tmp": 64})
    assert told == "node3: no answer within 5 s"


def test_huge_pages_are_asked_for_only_where_experts_are_balanced() -> None:
    never = nodes(fit_node("node2", thp="never"))

    [told] = without_huge_pages(never, ALL)

    assert told.startswith("node2: transparent huge pages are set to never")
    assert not list(without_huge_pages(never, {"node1"}))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"shm_free_bytes": 1 << 20}, "/dev/shm has 1 MiB free"),
        ({"memory_available_mib": 3}, "its memory has 3 MiB free"),
    ],
)
def test_experts_that_do_not_fit_are_told(fields: dict[str, int], words: str) -> None:
    small = nodes(fit_node("node2", **fields))

    [told] = short_of_shm(small, ALL, expert_bytes=5 << 20)

    assert told == f"node2: {words}, the experts of the model take 5 MiB of every node"
    assert not list(short_of_shm(small, {"node1"}, expert_bytes=5 << 20))


def test_a_clock_outside_of_the_asking_is_wrong() -> None:
    """Asked from 1000 to 1001; the probe took 0.1 s."""
    wrong = nodes(fit_node("node1", time_s=1003.5), fit_node("node3", time_s=900.1))

    assert list(wrong_clocks(wrong)) == [
        "node1: its clock is at least 2.5 s ahead of this node's",
        "node3: its clock is at least 100.0 s behind this node's",
    ]


def test_a_slow_answer_is_no_wrong_clock() -> None:
    slow = nodes(fit_node("node2", time_s=1009.0, elapsed_ms=8900.0))

    assert not list(wrong_clocks(replace(slow, asked=(1000.0, 1009.2))))


def test_what_cannot_be_read_is_said() -> None:
    closed = fit_node("node2", thp=None, errors=(Unreadable("thp", "FileNotFoundError"),))

    assert list(unreadable_room(nodes(closed))) == [
        "node2: thp could not be read: FileNotFoundError"
    ]
    assert not list(without_huge_pages(nodes(closed), ALL))


@pytest.mark.parametrize(
    ("size", "words"), [(100, "100 bytes"), (1536, "1.5 KiB"), (363_000_000_000, "338.1 GiB")]
)
def test_sizes_are_in_words(size: int, words: str) -> None:
    assert size_words(size) == words


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("127.0.1.1", "leads every node to itself"),
        ("0.0.0.0", "leads every node to itself"),  # noqa: S104 - to be refused
        ("10.9.9.9", "is no address of head node node1; its addresses are 10.77.0.1, 192.168.0.4"),
    ],
)
def test_an_address_that_leads_elsewhere_is_refused(address: str, words: str) -> None:
    own = ("10.77.0.1", "127.0.0.1", "192.168.0.4")

    [told] = wrong_address(address, head="node1", own=own)

    assert words in told


@pytest.mark.parametrize(
    ("address", "own"),
    [("192.168.0.4", ("10.77.0.1", "192.168.0.4")), ("node1", ()), ("10.9.9.9", None)],
)
def test_a_good_or_unknown_address_is_taken(address: str, own: tuple[str, ...] | None) -> None:
    assert wrong_address(address, head="node1", own=own) == []


@pytest.fixture
def plan() -> Plan:
    """One deployment with a budget of 60 + 300 + 100 s."""
    return make_plan(
        ["agg"],
        Settings(start_timeout_s=300, stop_timeout_s=100),
        nodes=["node1", "node2", "node3", "node4"],
        head_address="10.77.0.1",
        run_id="r",
        job_id="7",
        log_root=Path("/logs"),
    )


def test_a_job_that_ends_too_early_is_told(plan: Plan) -> None:
    [told] = too_little_time(plan, 459.0)

    assert told == (
        "459 s of the job are left; the first starts and stops take at most 460 s, agg alone 460 s"
    )


def test_a_job_with_time_or_without_end_is_taken(plan: Plan) -> None:
    assert too_little_time(plan, 460.0) == []
    assert too_little_time(plan, None) == []
    assert budget_words(plan, None).startswith("no end of the job is set")
