"""When a worker counts as ready: every fact in its order, and none of them alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import pytest

from harness.dynamo.canary import canary_request
from harness.dynamo.discovery import Instance
from harness.dynamo.readiness import Readiness, not_ready
from harness.dynamo.worker import Worker, owners
from harness.errors import ProductError, VerdictClass
from harness.serving.record import Record
from harness.serving.request import ChatRequest
from harness.topology import Role, RoleShape, Topology, place
from tests.harness.pure.serving_kit import JSON_HEADERS, record_of, unary_of
from tests.harness.pure.step_kit import UNTIL_TERM, LocalSlurm, local_slurm

MODEL = "nvidia/DeepSeek-R1-FP4"
CANARY = canary_request(MODEL)


def instance(number: int) -> Instance:
    """Return the instance of the worker on node ``number``, counted from 1."""
    return Instance("dynamo", "backend", "generate", number, f"10.77.0.{number}", f"k{number}", 1)


def answer(worker: int | None = 1, tokens: int = 4, text: str = "Yes.") -> Record:
    named = {"prefill_worker_id": worker, "decode_worker_id": worker}
    extra = {} if worker is None else {"nvext": {"worker_id": named}}
    return unary_of(text, tokens, CANARY, **extra)


@dataclass
class World:
    """What etcd, the frontend and the workers say; replicas are on node1, node2, ... in order."""

    workers: list[Worker]
    live: int = 0
    instances: list[Instance] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    answers: list[Record] = field(default_factory=list)
    asked: list[ChatRequest] = field(default_factory=list)

    def readiness(self, *, with_worker_id: bool = True) -> Readiness:
        """Return what waits for the workers that are not live yet."""
        return Readiness(
            new=self.workers[self.live :],
            live=self.live,
            model=MODEL,
            with_worker_id=with_worker_id,
            instances=lambda: tuple(self.instances),
            models=lambda: tuple(self.models),
            owners=self.owners,
            ask=self.ask,
        )

    def owners(self, found: Sequence[Instance]) -> dict[str, Worker]:
        """Return the workers on the instances' nodes."""
        nodes = {each.address: "node" + each.address.rpartition(".")[2] for each in found}
        return owners(self.workers, found, nodes=nodes, component=lambda _: "backend")

    def ask(self, request: ChatRequest) -> Record:
        """Give the next answer."""
        self.asked.append(request)
        return self.answers.pop(0)


@dataclass
class Worlds:
    """Makes worlds of single-node replicas, each with a step of its own."""

    slurm: LocalSlurm

    def of(self, replicas: int, *, live: int = 0) -> World:
        """Return a world of replicas, the first ``live`` of which serve already."""
        shape = RoleShape(Role.AGGREGATED, "/mnt/agg.yaml", 1, max_replicas=replicas)
        nodes = [f"node{number}" for number in range(1, replicas + 1)]
        placed = place(Topology("agg-replicas", 4, (shape,)), nodes, head_node="node1")
        return World(
            [
                Worker(each, self.slurm.launch(each.name, UNTIL_TERM), eplb_prefix="moe_shared")
                for each in placed.workers
            ],
            live=live,
        )


@pytest.fixture
def slurm(tmp_path: Path) -> Iterator[LocalSlurm]:
    with local_slurm(tmp_path) as slurm:
        yield slurm


@pytest.fixture
def worlds(slurm: LocalSlurm) -> Worlds:
    return Worlds(slurm)


def test_a_worker_is_ready_when_registered_listed_and_answering(worlds: Worlds) -> None:
    world = worlds.of(1)
    world.instances, world.models, world.answers = [instance(1)], [MODEL], [answer()]

    assert world.readiness().look()
    assert world.workers[0].instance == instance(1)
    assert [request.model for request in world.asked] == [MODEL]


def test_without_an_instance_nothing_else_is_asked(worlds: Worlds) -> None:
    world = worlds.of(1)
    world.models = [MODEL]
    readiness = world.readiness()

    assert not readiness.look()
    assert readiness.waiting_for == "the instance of agg-0 (0 registered, 1 expected)"
    assert world.asked == []


def test_an_instance_of_nobody_is_no_instance_of_the_worker(worlds: Worlds) -> None:
    world = worlds.of(1)
    world.instances = [instance(9)]
    readiness = world.readiness()

    assert not readiness.look()
    assert "agg-0 (1 registered, 1 expected)" in readiness.waiting_for


def test_one_instance_too_many_is_not_ready(worlds: Worlds) -> None:
    world = worlds.of(1)
    world.instances, world.models, world.answers = [instance(1), instance(9)], [MODEL], [answer()]
    readiness = world.readiness()

    assert not readiness.look()
    assert "2 registered, 1 expected" in readiness.waiting_for


def test_two_instances_of_one_worker_are_none(worlds: Worlds) -> None:
    world = worlds.of(1)
    world.instances = [instance(1), instance(1)]

    assert not world.readiness().look()
    assert world.workers[0].instance is None


def test_a_registered_worker_is_not_ready_before_its_model_is_listed(worlds: Worlds) -> None:
    world = worlds.of(1)
    world.instances, world.models = [instance(1)], ["another"]
    readiness = world.readiness()

    assert not readiness.look()
    assert readiness.waiting_for == f"model {MODEL} in /v1/models, which lists ['another']"
    assert world.asked == []


@pytest.mark.parametrize(
    "said",
    [
        record_of(b"", CANARY, status=None),
        record_of(b'{"message": "no worker"}', CANARY, headers=JSON_HEADERS, status=503),
        record_of(b"<html>", CANARY, status=200),
        record_of(b"[]", CANARY, headers=JSON_HEADERS, status=200),
        answer(tokens=0),
        answer(text=""),
        unary_of("Yes.", 4, CANARY, choices=[]),
        unary_of("Yes.", 4, CANARY, usage=None),
        unary_of("Yes.", 4, CANARY, usage={"completion_tokens": None}),
        unary_of("Yes.", 4, CANARY, choices={"0": "no list"}),
    ],
    ids=[
        "nothing", "503", "no JSON", "a list", "no tokens", "no text", "no choices", "no usage",
        "null tokens", "choices that are no list",
    ],
)  # fmt: skip
def test_an_answer_without_tokens_is_no_answer(worlds: Worlds, said: Record) -> None:
    world = worlds.of(1)
    world.instances, world.models, world.answers = [instance(1)], [MODEL], [said]
    readiness = world.readiness()

    assert not readiness.look()
    assert readiness.waiting_for.startswith("a canary answer with tokens; the last: ")


def test_a_canary_that_hangs_does_not_hide_what_the_last_one_got(worlds: Worlds) -> None:
    world = worlds.of(1)
    world.instances, world.models, world.answers = [instance(1)], [MODEL], [answer(tokens=0)]
    readiness, answered = world.readiness(), Event()
    readiness.look()
    readiness.ask = lambda _: answer() if answered.wait(20) else answer(tokens=0)

    assert not readiness.look()
    assert readiness.waiting_for.startswith("the answer to the canary under way; the last: ")
    answered.set()
    assert readiness.look()


def test_it_becomes_ready_fact_by_fact(worlds: Worlds) -> None:
    world = worlds.of(1)
    world.answers = [answer(tokens=0), answer()]
    readiness = world.readiness()

    assert not readiness.look()
    world.instances = [instance(1)]
    assert not readiness.look()
    world.models = [MODEL]
    assert not readiness.look()
    assert readiness.look()


def test_every_new_replica_has_to_answer(worlds: Worlds) -> None:
    world = worlds.of(3, live=1)
    world.instances = [instance(1), instance(2), instance(3)]
    world.models, world.answers = [MODEL], [answer(2), answer(1), answer(2), answer(3)]
    readiness = world.readiness()

    assert [readiness.look() for _ in range(4)] == [False, False, False, True]
    assert len(world.asked) == 4


def test_it_says_which_replicas_have_answered(worlds: Worlds) -> None:
    world = worlds.of(2, live=1)
    world.instances, world.models = [instance(1), instance(2)], [MODEL]
    world.answers = [answer(1)]
    readiness = world.readiness()

    assert not readiness.look()
    assert readiness.waiting_for == (
        "a canary answer from agg-1; answered so far: {'aggregated': [1]}"
    )


def test_the_only_worker_needs_no_name_in_its_answer(worlds: Worlds) -> None:
    world = worlds.of(1)
    world.instances, world.models, world.answers = [instance(1)], [MODEL], [answer(worker=None)]

    assert world.readiness().look()


def test_a_release_that_names_no_workers_is_taken_at_its_word(worlds: Worlds) -> None:
    world = worlds.of(2)
    world.instances, world.models = [instance(1), instance(2)], [MODEL]
    world.answers = [answer(worker=None)]

    assert world.readiness(with_worker_id=False).look()


def test_services_that_do_not_answer_yet_are_waited_for(worlds: Worlds) -> None:
    def unreachable() -> tuple[Instance, ...]:
        raise ProductError("expected an HTTP answer to POST /v3/kv/range")

    readiness = worlds.of(1).readiness()
    readiness.instances = unreachable

    assert not readiness.look()
    assert "POST /v3/kv/range" in readiness.waiting_for


def test_the_error_of_a_late_worker_says_what_is_missing_and_how_far_its_ranks_came(
    worlds: Worlds,
) -> None:
    world = worlds.of(1)
    [worker] = world.workers
    for rank in (0, 1, 3):
        with worker.step.out.open("a") as log:
            log.write(f"{rank}: Model init total -- 55.42s\n")
    worker.observe()
    readiness = world.readiness()
    readiness.look()

    error = not_ready("http://node1:8000", readiness, 1200.4)

    assert error.verdict_class is VerdictClass.FAIL
    assert "not ready at http://node1:8000 after 1200 s" in error.message
    assert "still waiting for the instance of agg-0" in error.message
    assert f"agg-0 (step {worker.step.step_id}, node1)" in error.message
    assert "3 of 4 ranks loaded, missing 2" in error.message
    assert str(worker.step.err) in error.message


def test_the_canary_asks_briefly_and_for_the_workers_name() -> None:
    body = CANARY.body()

    assert (body["model"], body["temperature"]) == (MODEL, 0.0)
    assert body["max_tokens"] <= 16
    assert body["nvext"]["extra_fields"] == ["worker_id"]
