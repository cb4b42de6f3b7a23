"""Moves under a load: each once, in order, with what clients saw; only kills excuse failures."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from harness.deadline import Deadline
from harness.dynamo.deployment import Deployment
from harness.dynamo.kill import KillReport
from harness.dynamo.moves import MOVES, Way
from harness.dynamo.plan import DeploymentPlan, make_plan
from harness.dynamo.scaling import Scaling
from harness.errors import HarnessError, NothingProved
from harness.measures import Measures
from harness.rundir import RunDirectory
from harness.serving.load import SteadyLoad
from harness.serving.load_facts import Answered, LoadFacts
from harness.settings import Settings
from harness.topology import Role, WorkerPlacement

NAME = "disagg-scaled"


@dataclass(eq=False)
class FakeWorker:
    """A replica with an instance of its own."""

    placement: WorkerPlacement
    ready_after_load_s: float = 0.1

    @property
    def name(self) -> str:
        """Name of the replica."""
        return self.placement.name

    @property
    def instance(self) -> Any:
        """Stand for its own instance."""
        return self

    @property
    def instance_id(self) -> int:
        """Tell one replica from the others."""
        return hash(self.name)


def plan(**settings: object) -> DeploymentPlan:
    made = make_plan(
        [NAME], Settings(image="/i", **settings), nodes=["node1", "node2", "node3", "node4"],
        head_address="10.77.0.1", run_id="run", job_id="7", log_root=Path("logs"),
    )  # fmt: skip
    return made.deployment(NAME)


@dataclass
class FakeMetrics:
    """Counts of a worker that takes a request whenever it is asked."""

    taken: int = 0

    def requests(self) -> int:
        """Return one more than before."""
        self.taken += 1
        return self.taken


class FakeDeployment:
    """A deployment whose workers come and go at a word, and that notes what was asked of it."""

    name = NAME
    lease_ttl_s = 10.0
    names_workers = True

    def __init__(self) -> None:
        self.plan = plan()
        groups = self.plan.placement.initial
        self.workers = [FakeWorker(each) for group in groups for each in group]
        self.asked: list[str] = []

    def workers_of(self, role: Role) -> list[FakeWorker]:
        """Return the live workers of a role."""
        return [each for each in self.workers if each.placement.role is role]

    def metrics_of(self, worker: FakeWorker) -> FakeMetrics:
        """Return the counts of a worker."""
        del worker
        return FakeMetrics()

    def surplus(self, role: Role, replicas: int) -> list[FakeWorker]:
        """Return those beyond a number."""
        return self.workers_of(role)[replicas:]

    def scale(self, role: Role, replicas: int) -> list[object]:
        """Start or stop workers at once."""
        self.asked.append(f"scale {role} {replicas}")
        have = {each.name for each in self.workers}
        for each in self.plan.placement.of(role)[:replicas]:
            if each.name not in have:
                self.workers.append(FakeWorker(each))
        gone = self.surplus(role, replicas)
        self.workers = [each for each in self.workers if each not in gone]
        return []

    def kill(self, worker: FakeWorker) -> KillReport:
        """Take a worker away."""
        self.asked.append(f"kill {worker.name}")
        self.workers.remove(worker)
        return KillReport(worker.name, "7.1", time.time(), 0.1, 9.0, ())


@dataclass
class FakeLoad:
    """A load that answers through every live worker whenever it is looked at."""

    deployment: FakeDeployment
    answered: list[Answered] = field(default_factory=list)
    stopped: int = 0

    def facts(self) -> LoadFacts:
        """Return what was answered so far."""
        return LoadFacts.of(self.answered)

    def wait_for(self, condition: Any, deadline: Deadline) -> bool:
        """Answer once through every pair of workers."""
        del deadline
        for prefill in self.deployment.workers_of(Role.PREFILL):
            for decode in self.deployment.workers_of(Role.DECODE):
                self.answered.append(self.answer(prefill, decode))
        return bool(condition(self.facts()))

    def answer(self, prefill: FakeWorker, decode: FakeWorker) -> Answered:
        """Return a good answer of this moment."""
        now_s = time.time()
        return Answered(
            now_s, now_s, ok=True, why="", status=200, request_id=f"r{len(self.answered)}",
            prefill_worker=prefill.instance_id, decode_worker=decode.instance_id,
        )  # fmt: skip

    def lose(self) -> None:
        """Let one request of this moment fail."""
        now_s = time.time()
        lost = Answered(
            now_s, now_s, ok=False, why="500", status=500, request_id=f"r{len(self.answered)}",
            prefill_worker=None, decode_worker=None,
        )  # fmt: skip
        self.answered.append(lost)

    def stop(self) -> None:
        """Count how often it was stopped."""
        self.stopped += 1


@dataclass
class World:
    """A scaling of fakes."""

    deployment: FakeDeployment
    load: FakeLoad
    scaling: Scaling
    swept: list[tuple[str, ...]]
    measures: Measures


@pytest.fixture
def world(tmp_path: Path) -> World:
    deployment = FakeDeployment()
    load, swept = FakeLoad(deployment), list[tuple[str, ...]]()
    measures = Measures(RunDirectory(tmp_path, "run"))
    scaling = Scaling(
        cast("Deployment", deployment),
        start_load=lambda: cast("SteadyLoad", load),
        measures=measures,
        sweep=lambda nodes: swept.append(tuple(nodes)),
    )
    return World(deployment, load, scaling, swept, measures)


def kill_of(role: Role) -> int:
    return next(
        at for at, move in enumerate(MOVES[NAME]) if (move.role, move.way) == (role, Way.KILL)
    )


def test_a_later_move_makes_those_before_it_once(world: World) -> None:
    world.scaling.moved(1)
    world.scaling.moved(0)

    assert world.deployment.asked == ["scale prefill 1", "scale prefill 2"]


def test_every_live_replica_is_seen_after_a_move(world: World) -> None:
    moved = world.scaling.moved(0)

    assert moved.served == moved.expected == {"prefill-0", "decode-0", "decode-1"}
    assert moved.replicas[Role.PREFILL] == 1
    assert moved.idle_nodes == world.deployment.plan.placement.of(Role.PREFILL)[1].nodes


def test_where_answers_name_nobody_the_workers_own_counts_tell(world: World) -> None:
    world.deployment.names_workers = False

    moved = world.scaling.moved(0)

    assert moved.served == moved.expected == {"prefill-0", "decode-0", "decode-1"}


def test_where_nobody_tells_nothing_is_proved(world: World) -> None:
    world.deployment.names_workers = False
    world.deployment.plan = plan(dyn_system_port=0)

    with pytest.raises(NothingProved, match="DYN_SYSTEM_PORT is 0"):
        world.scaling.moved(0)


def test_a_replica_that_answers_nothing_is_missed(world: World) -> None:
    world.load.answer = lambda prefill, decode: replace(  # type: ignore[method-assign]
        FakeLoad.answer(world.load, prefill, decode), decode_worker=None
    )
    moved = world.scaling.moved(0)

    assert moved.expected - moved.served == {"decode-0", "decode-1"}


def test_a_killed_replica_is_killed_and_its_nodes_are_swept(world: World) -> None:
    moved = world.scaling.moved(kill_of(Role.PREFILL))

    assert "kill prefill-1" in world.deployment.asked
    assert world.swept == [moved.idle_nodes]
    assert any("window after prefill-1 was killed" in line for line in world.measures.lines())


def test_only_what_was_in_flight_around_a_kill_is_excused(world: World) -> None:
    place = kill_of(Role.PREFILL)
    world.scaling.moved(place - 1)
    world.load.lose()
    kill = world.deployment.kill

    def lossy(worker: FakeWorker) -> KillReport:
        world.load.lose()
        return kill(worker)

    world.deployment.kill = lossy  # type: ignore[method-assign]
    world.scaling.moved(place)
    facts = world.scaling.stop()

    assert len(facts.failed) == 2
    assert [each.request_id for each in world.scaling.without_a_kill(facts).failed] == [
        facts.failed[0].request_id
    ]


def test_the_load_ends_once_and_its_facts_stay(world: World) -> None:
    world.scaling.moved(0)
    facts = world.scaling.stop()

    assert world.scaling.stop() is facts
    assert world.load.stopped == 1
    with pytest.raises(HarnessError, match="has ended already"):
        world.scaling.moved(1)


def test_without_a_move_there_was_no_load(world: World) -> None:
    assert world.scaling.stop().sent == 0
    assert world.load.stopped == 0
