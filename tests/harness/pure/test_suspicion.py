"""What a late answer and a late rank lead to: a look at the nodes, and what it may say."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from harness.deadline import Deadline
from harness.diagnosis.signatures import NODE_SILENT, RANK_STOPPED
from harness.dynamo import pulses, stragglers
from harness.dynamo.pulses import Suspicion, looked_at
from harness.dynamo.stragglers import stopped_stragglers
from harness.dynamo.worker import Worker
from harness.errors import InfraError
from harness.nodes.snapshot import JobProcess, Snapshot
from tests.harness.pure.fitness_kit import fit_node, nodes
from tests.harness.pure.step_kit import UNTIL_TERM, LocalSlurm, launch_worker, local_slurm

ALL_GO_ON = nodes()


class Eye:
    """Shows the nodes as it was told, or fails as it was told; keeps where it looked."""

    def __init__(self, shown: Snapshot | InfraError) -> None:
        self.looks: list[tuple[str, ...]] = []
        self.shown = shown

    def __call__(self, wanted: Sequence[str]) -> Snapshot:
        """Look."""
        self.looks.append(tuple(wanted))
        if isinstance(self.shown, InfraError):
            raise self.shown
        return self.shown


@pytest.fixture
def slurm(tmp_path: Path) -> Iterator[LocalSlurm]:
    with local_slurm(tmp_path) as slurm:
        yield slurm


@pytest.fixture
def worker(slurm: LocalSlurm) -> Worker:
    worker = launch_worker(slurm, UNTIL_TERM, nodes=("node1", "node2"))
    worker.step.wait_launched(Deadline.after(20))
    return worker


def stopped(worker: Worker, rank: int, *, is_stopped: bool = True) -> Snapshot:
    """Return the nodes with a process of a rank on node2."""
    number = worker.step.number
    process = JobProcess(41, 40, 9, 0, "python3", "x", "environ", number, rank, is_stopped)
    return nodes(fit_node("node2", processes=(process,)))


# ------------------------------------------------------------------------------- a late answer


def suspect(worker: Worker, eye: Eye, *, late_s: float = 60.0) -> tuple[Suspicion, list[str]]:
    """Have the nodes looked at while a canary is late; return what is known, and the alarms."""
    suspicion = Suspicion(since_s=time.monotonic() - late_s)
    found = looked_at(suspicion, lambda: [worker], eye)()
    return suspicion, [fact.name for fact in found]


def test_a_stopped_rank_is_why_no_answer_comes(worker: Worker) -> None:
    _, alarms = suspect(worker, Eye(stopped(worker, 5)))

    assert alarms == [RANK_STOPPED]


def test_a_rank_that_goes_on_is_no_alarm(worker: Worker) -> None:
    suspicion, alarms = suspect(worker, Eye(stopped(worker, 5, is_stopped=False)))

    assert alarms == []
    assert suspicion.seen == ()


def test_a_silent_node_is_kept_for_the_hang_and_is_no_alarm_itself(worker: Worker) -> None:
    eye = Eye(InfraError("step call did not end, no word came from node2: `srun` did not end"))
    suspicion, alarms = suspect(worker, eye)
    suspicion.hung_since_s = suspicion.since_s

    assert alarms == []
    assert [fact.name for fact in suspicion.seen_of_hang(Deadline.after(0))] == [NODE_SILENT]
    assert [fact.place.node for fact in suspicion.seen] == ["node2"]


def test_what_was_seen_of_another_wait_says_nothing_of_a_hang(worker: Worker) -> None:
    eye = Eye(InfraError("no word came from node2: `srun` did not end"))
    suspicion, _ = suspect(worker, eye)
    suspicion.hung_since_s = time.monotonic()

    assert suspicion.seen_of_hang(Deadline.after(0)) == ()


def test_the_nodes_are_looked_at_once_a_wait_and_not_at_once(worker: Worker) -> None:
    eye = Eye(ALL_GO_ON)
    suspicion = Suspicion(since_s=time.monotonic() - 60)
    ask = looked_at(suspicion, lambda: [worker], eye)
    for _ in range(3):
        ask()
    suspicion.since_s = time.monotonic()
    ask()

    assert eye.looks == [("node1", "node2")]


def test_nothing_is_looked_at_while_no_answer_is_late(worker: Worker) -> None:
    eye = Eye(ALL_GO_ON)
    looked_at(Suspicion(), lambda: [worker], eye)()

    assert eye.looks == []


# --------------------------------------------------------------------------------- a late rank


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a rank be late at once, and a second look never come."""
    monkeypatch.setattr(stragglers, "PATIENCE_S", 0.0)


def loaded(worker: Worker, *ranks: int) -> None:
    """Have ranks say that they have loaded."""
    worker.progress.load_seconds.update(dict.fromkeys(ranks, 1.0))


@pytest.mark.usefixtures("impatient")
def test_a_rank_that_others_wait_for_is_told_if_it_is_stopped(worker: Worker) -> None:
    eye = Eye(stopped(worker, 5))
    ask = stopped_stragglers(lambda: [worker], eye)
    loaded(worker, 0, 1, 2, 3, 4, 6, 7)

    first, second = list(ask()), list(ask())

    assert first == []
    assert [(fact.name, fact.place.rank, fact.place.node) for fact in second] == [
        (RANK_STOPPED, 5, "node2")
    ]
    assert eye.looks == [("node2",)]


@pytest.mark.usefixtures("impatient")
def test_a_slow_rank_is_left_alone(worker: Worker) -> None:
    ask = stopped_stragglers(lambda: [worker], Eye(stopped(worker, 5, is_stopped=False)))
    loaded(worker, 0, 1, 2, 3, 4, 6, 7)

    assert [*ask(), *ask(), *ask()] == []


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("ranks", [(), range(8)], ids=["none loaded", "all loaded"])
def test_nobody_is_late_where_nobody_waits(worker: Worker, ranks: Sequence[int]) -> None:
    eye = Eye(stopped(worker, 5))
    ask = stopped_stragglers(lambda: [worker], eye)
    loaded(worker, *ranks)

    assert [*ask(), *ask()] == []
    assert eye.looks == []


def test_a_rank_is_late_after_a_while_only(worker: Worker) -> None:
    eye = Eye(stopped(worker, 5))
    ask = stopped_stragglers(lambda: [worker], eye)
    loaded(worker, 0)

    assert [*ask(), *ask()] == []
    assert eye.looks == []
    assert min(stragglers.PATIENCE_S, pulses.SUSPICIOUS_S) > 0
