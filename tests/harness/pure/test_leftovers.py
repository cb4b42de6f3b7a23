"""Pure: what the guards saw on the nodes, grouped by run."""

from __future__ import annotations

import json

import pytest

from harness.errors import InfraError
from harness.guard.leftovers import Kind, Leftover, folded, read_look
from harness.slurm.words import StepRow

OLD, NEW = "20261120T101112-7-00aa", "20261124T101112-7-00bb"


def _line(kind: str, node: str = "node1", **facts: object) -> str:
    return "0: " + json.dumps({"kind": kind, "node": node, **facts})


def _row(step: str, name: str) -> StepRow:
    return StepRow(step, name, ("node1", "node2"))


def test_steps_processes_and_files_are_grouped_by_run_oldest_first() -> None:
    text = "\n".join(
        [
            _line("process", run=NEW, pid=12, cmdline="python3 -m dynamo.trtllm"),
            _line("file", run=OLD, name=f"moe_shared_{OLD}_l0_lr0_all", held=False),
            _line("end"),
        ]
    )
    look = read_look(text, [_row("7.3", f"qualify-{NEW}-agg-agg-0")], nodes=["node1"])

    assert look.runs == (OLD, NEW)
    assert [each.kind for each in look.of(NEW)] == [Kind.STEP, Kind.PROCESS]
    assert [each.name for each in look.of(OLD)] == [f"moe_shared_{OLD}_l0_lr0_all"]


def test_guards_are_no_leftovers_and_say_that_a_run_is_looked_after() -> None:
    rows = [_row("7.1", f"qualify-{NEW}-guard"), _row("7.9", f"qualify-{OLD}-clean-guard")]
    look = read_look(_line("end"), rows, nodes=["node1"])

    assert look.runs == ()
    assert look.guarded == {NEW}


@pytest.mark.parametrize("name", ["bash", "qualify-me", "qualify-any-look-guard", "my-qualify-x"])
def test_steps_of_others_are_not_seen(name: str) -> None:
    assert read_look(_line("end"), [_row("7.1", name)], nodes=["node1"]).runs == ()


def test_a_node_that_has_not_said_all_is_named() -> None:
    with pytest.raises(InfraError, match="node2 did not say"):
        read_look(_line("end"), [], nodes=["node1", "node2"])


def test_living_owners_are_told() -> None:
    text = "\n".join([_line("owner", owner="node1:5:99"), _line("end")])

    assert read_look(text, [], nodes=["node1"]).owners == {"node1:5:99"}


def test_files_of_a_worker_are_one_line_for_each_node() -> None:
    """A worker has a file for each layer and local rank: 232 on a node, in the seed's shape."""
    files = [
        Leftover(NEW, Kind.FILE, node, f"moe_shared_x_l{layer}_lr0_all", "held by a process")
        for node in ("node1", "node2")
        for layer in range(3)
    ]
    single = Leftover(NEW, Kind.FILE, "node3", "moe_shared_x_l0_lr0_all")
    process = Leftover(NEW, Kind.PROCESS, "node3", "7", "sleep 9")

    shown = [(each.node, each.name, each.words) for each in folded([*files, single, process])]

    assert shown == [
        ("node1", "moe_shared_x_l*_lr*_all", "3 files, held by a process"),
        ("node2", "moe_shared_x_l*_lr*_all", "3 files, held by a process"),
        ("node3", "moe_shared_x_l0_lr0_all", ""),
        ("node3", "7", "sleep 9"),
    ]
