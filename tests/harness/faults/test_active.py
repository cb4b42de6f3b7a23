"""What was provoked is written down, and taken away in the opposite order."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from testbed.cli import main
from testbed.cluster.errors import TestbedError
from testbed.cluster.paths import STATE_VARIABLE, StateFolder
from testbed.faults.active import active, clear, inject, prepare
from testbed.faults.bed import Bed, Undo
from testbed.faults.fault import Fault, Layer, Said
from testbed.faults.provoke import together


class Record(Bed):
    """A bed on which nothing is done; it keeps what was taken away, and fails at some of it."""

    def __init__(self, root: Path, *, stuck: str = "", identity: str = "1:1") -> None:
        self.state = StateFolder(root)
        self.identity = identity
        self.undone: list[Undo] = []
        self._stuck = stuck

    def undo(self, undo: Undo) -> str:
        """Keep it, and say that it failed on the host that is stuck."""
        self.undone.append(undo)
        return "stuck" if undo.host == self._stuck else ""


def _fault(name: str, *hosts: str) -> Fault:
    undo = [Undo(host, ("true", name)) for host in hosts]
    said = Said(("FAIL",), node="node1")
    return Fault(name, (), "Something breaks.", Layer.NODE, said, inject=lambda _: undo)


def test_the_latest_is_taken_away_first(tmp_path: Path) -> None:
    bed = Record(tmp_path)
    before = time.time()
    at = inject(bed, _fault("one", "node1", "node2"))
    inject(bed, _fault("two", "node3"))
    there = [each.name for each in active(bed.state)]

    failed = clear(bed)

    assert before <= at <= time.time()
    assert there == ["one", "two"]
    assert failed == []
    assert [undo.host for undo in bed.undone] == ["node3", "node2", "node1"]
    assert active(bed.state) == []


def test_what_cannot_be_taken_away_is_told_and_holds_up_nothing(tmp_path: Path) -> None:
    bed = Record(tmp_path, stuck="node2")
    inject(bed, _fault("one", "node1", "node2"))

    assert clear(bed) == ["stuck"]
    assert len(bed.undone) == 2
    assert [undo.host for each in active(bed.state) for undo in each.undo] == ["node2"]
    assert clear(bed) == ["stuck"], "it is tried again"


def test_of_a_testbed_that_was_taken_down_only_shared_files_are_taken_away(tmp_path: Path) -> None:
    """Its processes are dead, and their numbers may be those of others by now."""
    shared = Undo("login", ("rm", "-f", "/srv/emulated-trtllm/all.env"))
    undo = [Undo("node1", ("sh", "-c", "kill -KILL 7")), shared]
    said = Said(("FAIL",), node="node1")
    fault = Fault("x", (), "Something breaks.", Layer.NODE, said, inject=lambda _: undo)
    inject(Record(tmp_path), fault)
    later = Record(tmp_path, identity="2:2")

    assert clear(later) == []
    assert later.undone == [shared]
    assert active(later.state) == []


def test_what_came_before_a_part_that_fails_is_taken_away(tmp_path: Path) -> None:
    bed, first = Record(tmp_path), Undo("node1", ("true",))

    def fails(_: Bed) -> list[Undo]:
        raise TestbedError("no such process")

    with pytest.raises(TestbedError, match="no such process"):
        together(lambda _: [first], fails)(bed)

    assert bed.undone == [first]


def test_a_fault_of_variables_alone_cannot_be_provoked(tmp_path: Path) -> None:
    said = Said(("CONFIG",), patterns=("IMAGE",))
    fault = Fault("no-image", (16,), "IMAGE is missing.", Layer.CONTAINER, said)
    prepare(Record(tmp_path), fault)

    with pytest.raises(TestbedError, match="no-image is a matter of the run's variables alone"):
        inject(Record(tmp_path), fault)


def test_list_marks_what_is_provoked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path))
    inject(Record(tmp_path), _fault("busy-gpu", "node2"))

    assert main(["fault", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("*")] == ["busy-gpu"]
    assert any("rank-killed-loading" in line and " engine " in line for line in lines)


def test_inject_without_a_testbed_says_how_to_start_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path))

    assert main(["fault", "inject", "busy-gpu"]) == 125
    assert "python -m testbed up" in capsys.readouterr().err
