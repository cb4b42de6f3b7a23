"""The lookout of a deployment: what it knows, what its alarm means, and what that gives up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from harness.deadline import Deadline, wait_until
from harness.diagnosis.facts import Fact, Layer
from harness.diagnosis.signatures import (
    HANG,
    INSTANCE_GONE,
    JOB_ENDED,
    NODE_UNFIT,
    RANK_KILLED,
    RANK_STOPPED,
    SERVICE_SILENT,
    STEP_ENDED,
)
from harness.dynamo import lookout as module
from harness.dynamo.launch import LaunchContext
from harness.dynamo.lookout import Lookout
from harness.dynamo.services import Services
from harness.dynamo.worker import Worker
from harness.errors import (
    Hang,
    HarnessError,
    InstanceGone,
    NodeLost,
    QualificationError,
    RankFailed,
    ServiceSilent,
    StepEnded,
)
from harness.nodes.snapshot import Snapshot
from harness.settings import Settings
from harness.slurm.node_words import NodeRow
from harness.slurm.words import JobRow
from harness.topology import Role, RoleShape, Topology, place
from tests.harness.pure.diagnosis_kit import ToldSlurm, seen
from tests.harness.pure.step_kit import DEAF, UNTIL_TERM, LocalSlurm, local_slurm

NODES = ["node1", "node2"]


def unasked(nodes: Sequence[str]) -> Snapshot:
    """Stand for a look that no test here leads to."""
    raise AssertionError(f"{nodes} were looked at")


@dataclass
class World:
    """A deployment of two workers of one node each, as its lookout sees it."""

    slurm: LocalSlurm
    told: ToldSlurm = field(default_factory=ToldSlurm)
    workers: list[Worker] = field(default_factory=list)
    alarms: list[Fact] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the lookout."""
        self.context = LaunchContext(
            Settings(image="x", etcd_port=1, dyn_http_port=2),
            "agg",
            "run",
            "7",
            "node1",
            "127.0.0.1",
            self.slurm.folder,
        )
        self.lookout = Lookout(
            self.context,
            self.told,
            nodes=NODES,
            live=lambda: self.workers,
            look=unasked,
            on_alarm=self.alarms.append,
        )

    def add_workers(self) -> None:
        """Launch both workers, and listen to them."""
        shape = RoleShape(Role.AGGREGATED, "/mnt/p.yaml", 1, replicas=2, max_replicas=2)
        for placed in place(Topology("t", 4, (shape,)), NODES, head_node="node1").workers:
            step = self.slurm.launch(placed.name, DEAF)
            self.workers.append(Worker(placed, step, eplb_prefix="x"))
            self.lookout.listen(step, Layer.ENGINE)

    def add_services(self) -> Services:
        """Launch what stands for the services."""
        step = self.slurm.launch("frontend", UNTIL_TERM)
        self.lookout.listen(step, Layer.SERVICES)
        return Services(self.context, step, instance_prefix="v1/instances/")

    def kill(self, worker: Worker) -> None:
        """Kill a worker, and wait for its end."""
        self.slurm.client.signal(worker.step.step_id, "KILL")
        assert wait_until(lambda: worker.step.exit_code is not None, Deadline.after(20))

    def names(self) -> list[tuple[str, str]]:
        """Return steps and names of what is known now, without what merely follows."""
        return [(f.place.step, f.name) for f in self.lookout.facts() if f.name != "task-end"]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with local_slurm(tmp_path) as slurm:
        world = World(slurm)
        yield world
        world.lookout.stop()


@contextmanager
def watching(world: World) -> Iterator[None]:
    """Watch until there is an alarm."""
    world.lookout.begin()
    yield
    assert wait_until(lambda: world.alarms, Deadline.after(20))


def test_nothing_is_known_of_a_deployment_that_lives(world: World) -> None:
    world.add_workers()

    world.lookout.check()
    assert world.lookout.facts() == []


def test_what_ended_or_said_something_is_known(world: World) -> None:
    world.add_workers()
    first, second = world.workers
    with second.step.err.open("a") as log:
        log.write("0: KeyError: 'a'\n")
    world.kill(first)

    assert world.names() == [(first.step.name, RANK_KILLED), (second.step.name, "exception")]


def test_a_worker_that_was_ended_on_purpose_is_not_blamed_for_what_comes_later(
    world: World,
) -> None:
    world.add_workers()
    world.kill(world.workers.pop(0))

    assert world.names() == []


def test_services_that_ended_before_they_were_up_are_known(world: World) -> None:
    services = world.add_services()
    world.slurm.client.signal(services.step.step_id, "TERM")
    assert wait_until(lambda: services.step.exit_code is not None, Deadline.after(20))

    assert world.names() == [("frontend", STEP_ENDED)]


def test_job_and_nodes_are_known(world: World) -> None:
    world.told.said_job = JobRow("7", "CANCELLED", "None")
    world.told.said_nodes = [NodeRow("node2", "", "DOWN"), NodeRow("node9", "", "DOWN")]

    assert world.names() == [("", JOB_ENDED), ("", NODE_UNFIT)]


@pytest.mark.parametrize(
    ("alarm", "error"),
    [
        (seen(HANG, 0), Hang),
        (seen(SERVICE_SILENT, 0), ServiceSilent),
        (seen(INSTANCE_GONE, 0, step="agg-0"), InstanceGone),
        (seen(NODE_UNFIT, 0, node="node2"), NodeLost),
        (seen(RANK_STOPPED, 0, step="agg-0", rank=3), RankFailed),
    ],
    ids=lambda value: value.name if isinstance(value, Fact) else "",
)
def test_an_alarm_is_raised_as_its_error_and_known_as_a_fact(
    world: World, alarm: Fact, error: type[QualificationError]
) -> None:
    world.lookout._watch.raise_alarm(alarm)

    with pytest.raises(QualificationError, match=alarm.words) as told:
        world.lookout.check()
    assert type(told.value) is error
    assert world.lookout.facts() == [alarm]
    assert world.alarms == [alarm]


def test_a_fatal_line_is_raised_with_its_rank_and_known_once(world: World) -> None:
    world.add_workers()
    with watching(world), world.workers[0].step.err.open("a") as log:
        log.write("0: ValueError: External MPI session has 8 workers but the model needs "
                  "world_size=16\n")  # fmt: skip

    with pytest.raises(RankFailed, match=r"rank 0 of .*agg-0: ValueError: External MPI"):
        world.lookout.check()
    assert [name for _, name in world.names()] == ["world-size"]


def test_an_end_that_srun_tells_a_moment_after_a_fatal_line_is_raised(world: World) -> None:
    world.add_workers()
    victim = world.workers[0]
    with watching(world), victim.step.err.open("a") as log:
        log.write("0: RuntimeError: CUDA error: an illegal memory access was encountered\n")
    world.kill(victim)

    with pytest.raises(StepEnded, match="SIGKILL"):
        world.lookout.check()


def test_a_step_that_ended_is_known_once_though_it_was_the_alarm(world: World) -> None:
    world.add_workers()
    with watching(world):
        world.kill(world.workers[0])

    assert world.alarms[0].name == STEP_ENDED
    assert [name for _, name in world.names()] == [RANK_KILLED]


def test_a_lost_node_is_noticed_by_asking_slurm(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SLURM_EVERY_S", 0.01)
    with watching(world):
        world.told.said_nodes = [NodeRow("node2", "", "DOWN*")]

    with pytest.raises(NodeLost, match="node2 is down"):
        world.lookout.check()


def test_an_alarm_gives_up_the_requests_to_frontend_and_etcd(world: World) -> None:
    services = world.add_services()
    world.lookout.services_up(services, "v1/instances/")
    world.lookout._watch.raise_alarm(replace(seen(HANG, 0), words="nothing is answered"))

    for http in (services.frontend.http, services.discovery.http):
        assert http.exchange("GET", "/").error == "given up: nothing is answered"


def test_no_alarm_is_raised_while_something_is_done_on_purpose(world: World) -> None:
    with world.lookout.resting():
        world.lookout._watch.raise_alarm(seen(HANG, 0))

    world.lookout.check()
    assert world.alarms == []


def test_answers_are_asked_for_only_where_services_are_known(world: World) -> None:
    with pytest.raises(HarnessError):
        world.lookout.serving()
