"""What is asked of a living deployment: services, instances, and an answer to anybody."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.diagnosis.facts import Fact, Layer, Place
from harness.diagnosis.signatures import HANG, INSTANCE_GONE, SERVICE_SILENT
from harness.dynamo import pulses
from harness.dynamo.discovery import Discovery, Instance
from harness.dynamo.pulses import (
    Suspicion,
    all_registered,
    requests_answered,
    service_answers,
)
from harness.dynamo.worker import Worker
from harness.errors import QualificationError
from harness.http import Http
from harness.traffic import Traffic
from tests.harness.pure import serving_kit as kit
from tests.harness.pure.step_kit import UNTIL_TERM, LocalSlurm, launch_worker, local_slurm

HEAD_NODE = Place("frontend", "7.1", "node1")
KEY = "v1/instances/dynamo/backend/generate/7d7b"
INSTANCE = Instance("dynamo", "backend", "generate", 1, "10.77.0.5", KEY, 2)


@pytest.fixture
def slurm(tmp_path: Path) -> Iterator[LocalSlurm]:
    with local_slurm(tmp_path) as slurm:
        yield slurm


@pytest.fixture
def worker(slurm: LocalSlurm) -> Worker:
    """A worker that was seen serving."""
    worker = launch_worker(slurm, UNTIL_TERM)
    worker.instance, worker.proved = INSTANCE, True
    return worker


@contextmanager
def never_answering(meanwhile: Callable[[], None] = lambda: None) -> Iterator[str]:
    """Serve what takes requests in and answers nothing, while something else happens."""
    over = threading.Event()

    def script(peer: socket.socket) -> None:
        kit.read_request(peer)
        meanwhile()
        over.wait(60)

    with kit.serving(script) as url:
        try:
            yield url
        finally:
            over.set()


def etcd_with(*keys: str) -> kit.Script:
    record = {"namespace": "dynamo", "component": "backend", "endpoint": "generate"}
    value = json.dumps({**record, "instance_id": 1, "transport": {"tcp": "10.77.0.5:1/x"}})
    pairs = [{"key": _base64(key), "value": _base64(value)} for key in keys]
    return kit.says(kit.answer(json.dumps({"kvs": pairs} if pairs else {}).encode()))


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


# ------------------------------------------------------------------------------------- a service


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "500 Internal Server Error"])
def test_a_service_that_answers_with_any_status_is_alive(status: str) -> None:
    script = kit.says(kit.answer(b"no", status=status))
    with kit.serving(script) as url, Http(url, server="etcd") as http:
        assert service_answers(http, "/version", HEAD_NODE)() == []


def test_a_service_that_takes_a_request_in_and_says_nothing_is_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pulses, "ASK_S", 0.2)
    with never_answering() as url, Http(url, server="etcd") as http:
        [fact] = service_answers(http, "/version", HEAD_NODE)()

    assert (fact.name, fact.layer, fact.place) == (SERVICE_SILENT, Layer.SERVICES, HEAD_NODE)
    assert fact.words.startswith(f"etcd gives no answer at {url}/version: budget of 0.2 s spent")


def test_a_service_that_refuses_the_connection_is_silent() -> None:
    with kit.serving(kit.says()) as url:
        pass
    with Http(url, server="the frontend") as http:
        [fact] = service_answers(http, "/health", HEAD_NODE)()

    assert fact.words.startswith("the frontend gives no answer")


# ----------------------------------------------------------------------------------- an instance


def asked(script: kit.Script, *workers: Worker) -> list[Fact]:
    with kit.serving(script) as url, Http(url) as etcd:
        discovery = Discovery(etcd, "v1/instances/")
        return list(all_registered(discovery, lambda: workers)())


def test_a_registered_instance_is_right(worker: Worker) -> None:
    assert asked(etcd_with("v1/instances/dynamo/backend/generate/1", KEY), worker) == []


@pytest.mark.parametrize(
    "keys", [(), ("v1/instances/dynamo/backend/generate/1",)], ids=["none", "another one"]
)
def test_an_instance_that_is_gone_is_told_with_its_worker(
    worker: Worker, keys: tuple[str, ...]
) -> None:
    [fact] = asked(etcd_with(*keys), worker)

    assert (fact.name, fact.layer) == (INSTANCE_GONE, Layer.DISCOVERY)
    assert fact.place.step_id == worker.step.number
    assert fact.place.node == "node1"
    assert f"the instance of {worker.name} is not registered any more" in fact.words
    assert KEY in fact.words


def test_a_worker_that_was_not_seen_serving_may_be_unregistered(worker: Worker) -> None:
    worker.proved = False

    assert asked(etcd_with(), worker) == []


def test_an_etcd_without_an_answer_says_nothing_of_instances(worker: Worker) -> None:
    assert asked(kit.says(), worker) == []


def test_an_etcd_that_answers_with_an_error_says_nothing_of_instances(worker: Worker) -> None:
    with pytest.raises(QualificationError):  # which a pulse takes for nothing wrong
        asked(kit.says(kit.answer(b"{}", status="503 Service Unavailable")), worker)


# ------------------------------------------------------------------------------------- an answer


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> Traffic:
    """Traffic in which nothing has come for long enough to ask."""
    monkeypatch.setattr(pulses, "QUIET_S", 0.0)
    return Traffic()


def hang(url: str, traffic: Traffic, *workers: Worker, limit_s: float = 0.2) -> list[Fact]:
    with Http(url) as http:
        ask = requests_answered(
            http,
            kit.MODEL,
            live=lambda: workers,
            traffic=traffic,
            limit_s=limit_s,
            suspicion=Suspicion(),
        )
        return list(ask())


def test_no_answer_to_anybody_is_a_hang(quiet: Traffic, worker: Worker) -> None:
    with never_answering() as url:
        [fact] = hang(url, quiet, worker)

    assert (fact.name, fact.layer) == (HANG, Layer.SERVING)
    assert fact.words == (
        f"no answer to a short request for 0.2 s, nor a token to anybody; live: {worker.name}"
    )
    assert fact.place.step_id == worker.step.number


def test_a_hang_of_several_workers_has_no_place(quiet: Traffic, worker: Worker) -> None:
    with never_answering() as url:
        [fact] = hang(url, quiet, worker, worker)

    assert fact.place == Place()


def test_an_answer_to_somebody_else_meanwhile_is_no_hang(quiet: Traffic, worker: Worker) -> None:
    with never_answering(meanwhile=quiet.arrived) as url:
        assert hang(url, quiet, worker, limit_s=1.0) == []


def test_nothing_is_asked_while_answers_come(worker: Worker) -> None:
    questions: list[bytes] = []
    traffic = Traffic()
    traffic.last_arrival_s = time.monotonic() + 60
    with kit.serving(lambda peer: questions.append(kit.read_request(peer))) as url:
        assert hang(url, traffic, worker) == []

    assert questions == []


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "503 Service Unavailable"])
def test_an_answer_with_any_status_is_no_hang(quiet: Traffic, worker: Worker, status: str) -> None:
    with kit.serving(kit.says(kit.answer(b"{}", status=status))) as url:
        assert hang(url, quiet, worker, limit_s=20) == []


def test_a_frontend_that_is_gone_is_another_pulses_matter(quiet: Traffic, worker: Worker) -> None:
    with kit.serving(kit.says()) as url:
        pass

    assert hang(url, quiet, worker) == []


def test_a_hang_is_asked_about_with_a_short_request(quiet: Traffic) -> None:
    seen: list[bytes] = []

    def script(peer: socket.socket) -> None:
        seen.append(kit.read_request(peer))
        peer.sendall(kit.answer(b"{}"))

    with kit.serving(script) as url:
        hang(url, quiet, limit_s=20)
    body = json.loads(seen[0].partition(b"\r\n\r\n")[2])
    assert seen[0].startswith(b"POST /v1/chat/completions ")
    assert (body["model"], body["max_tokens"] <= 8) == (kit.MODEL, True)
