"""What Slurm says of nodes, of its MPI plugins and of the time left, as values."""

from __future__ import annotations

import pytest

from harness.slurm.node_words import NodeRow, parse_nodes
from harness.slurm.words import parse_mpi_types, parse_time_left

DRAINED = (
    "NodeName=node3 Arch=x86_64 CoresPerSocket=72  CPUAlloc=0 CPUTot=72 Gres=gpu:4 "
    "NodeAddr=10.77.0.3 NodeHostName=node3 Version=22.05.8 State=MIXED+DRAIN ThreadsPerCore=1 "
    "BootTime=2026-11-25T13:59:29 AllocTRES= ExtSensorsTemp=n/s "
    "Reason=Kill task failed on rank 3 [root@2026-11-25T19:27:42]\n"
)
PLUGINS = """MPI plugin types are...
\tpmix
\tnone
\tpmi2
specific pmix plugin versions available: pmix_v4
"""
OLDER_PLUGINS = "srun: MPI types are...\nsrun: none\nsrun: pmi2\nsrun: pmix\nsrun: pmix_v4\n"
WELL = "NodeName=node4 NodeAddr=gb4 State=ALLOCATED Weight=1 Partitions=gb200 \n"


def test_a_drained_node_is_told_with_its_reason() -> None:
    [row] = parse_nodes(DRAINED)

    assert row == NodeRow(
        "node3",
        "10.77.0.3",
        "MIXED+DRAIN",
        "Kill task failed on rank 3 [root@2026-11-25T19:27:42]",
    )
    assert row.why_unfit == (
        "node3 is drained (state MIXED+DRAIN; "
        "reason: Kill task failed on rank 3 [root@2026-11-25T19:27:42])"
    )


def test_nodes_come_in_order_and_a_well_one_is_fit() -> None:
    rows = parse_nodes(DRAINED + WELL)

    assert [row.name for row in rows] == ["node3", "node4"]
    assert rows[1].why_unfit == ""
    assert rows[1].address == "gb4"


def test_what_follows_a_reason_is_not_part_of_it() -> None:
    line = WELL.replace("Partitions", "Reason=rack 7 Comment=x Partitions")

    assert parse_nodes(line)[0].reason == "rack 7"


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("DOWN*", "is down and does not respond"),
        ("IDLE+NOT_RESPONDING", "does not respond"),
        ("ALLOCATED*", "does not respond"),
        ("DOWN+DRAIN", "is down and is drained"),
        ("IDLE+CLOUD+POWERED_DOWN", "is powered down"),
        ("FAIL", "is failing"),
        ("UNKNOWN", "is not known"),
        ("ALLOCATED#", "is still being powered up"),
        ("IDLE~", "is powered down"),
    ],
)
def test_unfit_states_are_named(state: str, words: str) -> None:
    assert words in NodeRow("node1", "", state).why_unfit
    assert "no reason is given" in NodeRow("node1", "", state).why_unfit


@pytest.mark.parametrize(
    "state",
    [
        "ALLOCATED",
        "MIXED",
        "IDLE",
        "MIXED+PLANNED",
        "ALLOCATED-",
        "COMPLETING",
        "RESERVED",
        "IDLE!",
    ],
)
def test_fit_states_are_fit(state: str) -> None:
    assert NodeRow("node1", "", state).why_unfit == ""


@pytest.mark.parametrize("text", [PLUGINS, OLDER_PLUGINS])
def test_mpi_plugins_are_read(text: str) -> None:
    assert set(parse_mpi_types(text)) == {"pmix", "none", "pmi2", "pmix_v4"}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("4:00:00\n", 14400.0),
        ("9:59", 599.0),
        ("1-02:03:04", 93784.0),
        ("0:00", 0.0),
        ("INVALID", 0.0),
        ("UNLIMITED", None),
        ("NOT_SET", None),
    ],
)
def test_time_left_is_read(text: str, seconds: float | None) -> None:
    assert parse_time_left(text) == seconds
