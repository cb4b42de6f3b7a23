"""A steady load: it keeps its rate, records every request, and tells from when to when some failed.

Bounds on times are generous: what is tested is that a wait ends at all, not how fast a machine is.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.deadline import Deadline
from harness.errors import HarnessError
from harness.http import Http
from harness.serving import ChatRequest, RecordSink, load_records
from harness.serving.load import SteadyLoad
from harness.serving.load_facts import Answered, LoadFacts
from harness.serving.schedule import Schedule
from tests.harness.pure.serving_kit import (
    Script,
    answer,
    asked,
    content,
    counted,
    end,
    framed,
    good_chunks,
    read_request,
    serving,
)

WORKERS = {"prefill_worker_id": 7, "decode_worker_id": 9}
NAMED = [content("Once ") | {"nvext": {"worker_id": WORKERS}}, content("upon"), end(), counted(2)]
GOOD = answer(framed(NAMED), kind="text/event-stream")
CUT = answer(framed(good_chunks(["Once "])), kind="text/event-stream")[:-40]
REFUSAL = answer(b'{"message": "no worker"}', status="503 Service Unavailable")
LONG_S = 20.0


class Server:
    """Answers as it is told to: ``reply`` can be changed at any time, and ``hold`` stops it."""

    def __init__(self, reply: bytes = GOOD) -> None:
        self.reply = reply
        self.go_on = threading.Event()
        self.go_on.set()
        self.asked: list[dict[str, Any]] = []
        self.came_in = threading.Semaphore(0)

    def hold(self) -> None:
        """Answer nobody until ``go_on`` is set."""
        self.go_on.clear()

    def script(self, peer: socket.socket) -> None:
        """Serve one connection."""
        self.asked.append(json.loads(read_request(peer).partition(b"\r\n\r\n")[2]))
        self.came_in.release()
        self.go_on.wait(LONG_S)
        peer.sendall(self.reply)


def numbered(number: int) -> ChatRequest:
    return asked(max_tokens=2, seed=number)


class Fault:
    """Breaks instead of making the second request."""

    def __init__(self) -> None:
        self.happened = threading.Event()

    def __call__(self, number: int) -> ChatRequest:
        """Return a request, or raise."""
        if number != 1:
            return numbered(number)
        self.happened.set()
        raise ZeroDivisionError("no such prompt")


@contextmanager
def load_on(script: Script, **options: Any) -> Iterator[SteadyLoad]:
    """Give a load that is not yet entered, against a server that runs."""
    wanted: dict[str, Any] = {"rate_per_s": 50, "clients": 4, "timeout_s": LONG_S, "sink": None}
    make_request = options.pop("make_request", numbered)
    with serving(script) as url, Http(url) as http:
        yield SteadyLoad(http, make_request, **{**wanted, **options})


def fact(start_s: float, end_s: float, why: str = "", **changes: Any) -> Answered:
    values: dict[str, Any] = {
        "status": 200,
        "request_id": f"id-{start_s:g}",
        "prefill_worker": 1,
        "decode_worker": 2,
        "kind": why.partition(":")[0],
    }
    return Answered(start_s, end_s, ok=not why, why=why, **{**values, **changes})


def at_least(count: int) -> Any:
    return lambda facts: facts.sent >= count


# ------------------------------------------------------------------------------------- the stream


def test_every_answer_is_judged_recorded_and_names_its_workers(tmp_path: Path) -> None:
    path = tmp_path / "load.jsonl"
    before_s = time.time()
    with RecordSink(path) as sink, load_on(Server().script, sink=sink) as load:
        with load:
            assert load.wait_for(at_least(5), Deadline.after(LONG_S))
        facts, kept = load.facts(), load_records(path)

    assert facts.failed == []
    assert facts.answered_by_prefill(before_s) == {7}
    assert facts.answered_by_decode(before_s) == {9}
    assert {each.request_id for each in facts.answered} == {each.request_id for each in kept}
    assert sorted(each.generation.seed or 0 for each in kept) == list(range(facts.sent))
    assert all(before_s <= each.started_at_s <= each.ended_at_s for each in facts.answered)


def test_whole_answers_are_judged_as_such() -> None:
    message = {"role": "assistant", "content": "Once upon"}
    choices = [{"index": 0, "message": message, "finish_reason": "length"}]
    body = counted(2) | {"object": "chat.completion", "choices": choices}
    body |= {"nvext": {"worker_id": WORKERS}}
    script = Server(answer(json.dumps(body).encode())).script
    with load_on(script, make_request=lambda number: numbered(number).unary()) as load, load:
        assert load.wait_for(at_least(2), Deadline.after(LONG_S))

    assert load.facts().describe_failures() == f"none of {load.facts().sent} requests failed"
    assert load.facts().answered_by_decode(0.0) == {9}


def test_rate_is_kept_by_many_clients_together() -> None:
    server, rate_per_s = Server(), 60.0
    with load_on(server.script, rate_per_s=rate_per_s) as load:
        began_s = time.monotonic()
        with load:
            assert load.wait_for(at_least(60), Deadline.after(LONG_S))
            reached_s = time.monotonic() - began_s
        ended_s = time.monotonic() - began_s
    dealt = len(server.asked) + load.facts().missed_slots

    assert reached_s > 59 / rate_per_s
    assert 0.75 * reached_s * rate_per_s < dealt <= ended_s * rate_per_s + 1 + len(load._threads)


def test_no_more_than_the_clients_are_in_flight_and_no_burst_follows() -> None:
    server = Server()
    server.hold()
    with load_on(server.script, rate_per_s=50, clients=3) as load, load:
        assert all(server.came_in.acquire(timeout=LONG_S) for _ in range(3))
        assert not load.wait_for(at_least(1), Deadline.after(0.5))
        in_flight = len(server.asked)
        released_s = time.monotonic()
        server.go_on.set()
        assert load.wait_for(at_least(8), Deadline.after(LONG_S))
        asked_since = len(server.asked) - in_flight
        since_s = time.monotonic() - released_s

    assert in_flight == 3
    assert load.facts().missed_slots >= 10
    assert asked_since <= since_s * 50 + 2


def test_schedule_deals_moments_once_and_drops_those_that_are_past(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = iter([100.0, 100.0, 100.0, 100.25, 100.25, 101.01, 101.02])
    monkeypatch.setattr("harness.serving.schedule.time.monotonic", lambda: next(clock))
    schedule = Schedule(rate_per_s=10)
    schedule.begin()
    pauses = [round(schedule.next_pause_s(), 6) for _ in range(6)]

    assert pauses == [0.0, 0.1, 0.0, 0.05, 0.0, 0.08]
    assert schedule.missed == 6  # 4 to 9; that of 100.2 was still taken at 100.25


# -------------------------------------------------------------------------------------- the faults


@pytest.mark.parametrize(
    ("reply", "kind"),
    [(REFUSAL, "status 503"), (CUT, "cut"), (b"", "cut")],
    ids=["refused", "cut", "hung up"],
)
def test_failures_are_found_in_their_window(reply: bytes, kind: str) -> None:
    server = Server()
    with load_on(server.script) as load, load:
        assert load.wait_for(at_least(3), Deadline.after(LONG_S))
        killed_s = time.time()
        server.reply = reply
        assert load.wait_for(lambda facts: len(facts.failed) >= 5, Deadline.after(LONG_S))
        server.reply = GOOD
        healed_s = time.time()
        assert load.wait_for(
            lambda facts: bool(facts.answered_by_decode(healed_s)), Deadline.after(LONG_S)
        )
    facts = load.facts()

    assert {each.kind for each in facts.failed} == {kind}
    assert 0.0 < facts.exposure_s(killed_s) <= facts.window_s(killed_s)
    assert facts.exposure_s(killed_s) <= healed_s - killed_s
    assert facts.window_s(healed_s) == 0.0
    assert f"x {kind})" in facts.describe_failures()
    assert facts.failed[0].request_id in facts.describe_failures()


def test_server_that_is_gone_is_a_fact() -> None:
    with serving(Server().script) as url:
        pass
    with Http(url) as http, SteadyLoad(http, numbered, rate_per_s=50, clients=2, timeout_s=5) as it:
        assert it.wait_for(at_least(3), Deadline.after(LONG_S))

    assert {(each.kind, each.status) for each in it.facts().failed} == {("unreachable", None)}


def test_silent_server_costs_no_more_than_the_budget() -> None:
    server = Server()
    server.hold()
    with load_on(server.script, timeout_s=0.3) as load, load:
        assert load.wait_for(at_least(4), Deadline.after(LONG_S))
    server.go_on.set()

    assert {each.kind for each in load.facts().failed} == {"timeout"}


def test_fault_of_ours_ends_a_wait_while_others_are_in_flight() -> None:
    server = Server()
    server.hold()
    told = "broke after 0 requests: ZeroDivisionError: no such prompt"
    with load_on(server.script, make_request=Fault()) as load:
        load.__enter__()
        with pytest.raises(HarnessError, match=told):
            load.wait_for(at_least(1), Deadline.after(LONG_S))
        server.go_on.set()


def test_fault_of_ours_ends_the_load_and_is_told_at_every_stop() -> None:
    with load_on(Server().script, make_request=Fault()) as load:
        load.__enter__()
        for thread in load._threads:
            thread.join(LONG_S)
        assert not any(thread.is_alive() for thread in load._threads)
        with pytest.raises(HarnessError, match="no such prompt"):
            load.stop()
        with pytest.raises(HarnessError, match="no such prompt"):
            load.stop()


def test_fault_of_ours_is_told_at_the_end_of_the_block() -> None:
    fault = Fault()
    with load_on(Server().script, make_request=fault) as load, pytest.raises(HarnessError), load:
        fault.happened.wait(LONG_S)


def test_problem_of_the_test_itself_comes_first() -> None:
    fault = Fault()
    with load_on(Server().script, make_request=fault) as load, pytest.raises(KeyError), load:
        raise KeyError(fault.happened.wait(LONG_S))


@pytest.mark.parametrize(("rate_per_s", "clients"), [(0, 1), (-1.0, 1), (1.0, 0)])
def test_load_that_sends_nothing_is_refused(rate_per_s: float, clients: int) -> None:
    with (
        Http("http://127.0.0.1:1") as http,
        pytest.raises(HarnessError, match="a rate above 0 and a client"),
    ):
        SteadyLoad(http, numbered, rate_per_s=rate_per_s, clients=clients, timeout_s=1)


# -------------------------------------------------------------------------------- waiting, stopping


def test_stop_lets_the_requests_in_flight_finish() -> None:
    server = Server()
    server.hold()
    with load_on(server.script, rate_per_s=100, clients=2) as load, load:
        assert all(server.came_in.acquire(timeout=LONG_S) for _ in range(2))
        threading.Timer(0.2, server.go_on.set).start()
        load.stop()
        facts = load.facts()
        load.stop()

    assert (facts.sent, facts.failed) == (2, [])
    assert load.facts() == facts
    assert len(server.asked) == 2


def test_stop_does_not_wait_for_the_next_moment() -> None:
    server = Server()
    with load_on(server.script, rate_per_s=1 / 600) as load, load:
        assert load.wait_for(at_least(1), Deadline.after(LONG_S))
        stopped = Deadline.after(LONG_S)
        load.stop()

    assert stopped.elapsed_s < 5.0


def test_load_that_never_began_can_be_stopped() -> None:
    with load_on(Server().script) as load:
        load.stop()

        assert load.wait_for(at_least(1), Deadline.after(LONG_S)) is False
        assert load.facts() == LoadFacts(())


def test_wait_ends_with_the_request_that_fulfils_it() -> None:
    server = Server()
    server.hold()
    with load_on(server.script, clients=1) as load, load:
        threading.Timer(0.2, server.go_on.set).start()
        wait = Deadline.after(600.0)

        assert load.wait_for(at_least(1), wait)
    assert wait.elapsed_s < LONG_S


def test_wait_in_vain_lasts_until_its_deadline() -> None:
    with load_on(Server().script) as load, load:
        wait = Deadline.after(0.3)

        assert not load.wait_for(at_least(10_000), wait)
    assert 0.3 <= wait.elapsed_s < 5.0


def test_wait_on_a_load_that_is_stopped_ends_at_once() -> None:
    with load_on(Server().script) as load, load:
        threading.Timer(0.2, load.stop).start()
        wait = Deadline.after(600.0)

        assert not load.wait_for(at_least(10_000), wait)
    assert wait.elapsed_s < LONG_S


# ---------------------------------------------------------------------------------------- the facts

LOST = "status: expected 200; seen 503: no worker"
FACTS = LoadFacts.of(
    [
        fact(14.0, 14.5, decode_worker=5),
        fact(9.0, 11.0, LOST),
        fact(10.5, 10.6, LOST, decode_worker=4),
        fact(12.0, 15.0, "done: expected [DONE]; seen none", decode_worker=None),
        fact(13.0, 13.5, prefill_worker=None),
        fact(1.0, 2.0),
    ]
)


def test_facts_stand_in_the_order_of_their_beginning() -> None:
    assert [each.started_at_s for each in FACTS.answered] == [1.0, 9.0, 10.5, 12.0, 13.0, 14.0]
    assert (FACTS.sent, len(FACTS.failed)) == (6, 3)
    assert (FACTS.first_failure_s, FACTS.last_failure_s) == (9.0, 15.0)


def test_window_ends_with_the_last_failure_that_began_in_it() -> None:
    assert FACTS.window_s(10.0) == 5.0
    assert FACTS.exposure_s(10.0) == 2.0
    assert FACTS.window_s(12.0) == 3.0
    assert FACTS.exposure_s(12.0) == 0.0
    assert FACTS.window_s(12.1) == 0.0
    assert [each.started_at_s for each in FACTS.failures_after(10.0)] == [10.5, 12.0]


def test_window_is_as_long_as_its_longest_request() -> None:
    facts = LoadFacts.of([fact(11.0, 30.0, LOST), fact(12.0, 12.5, LOST)])

    assert facts.window_s(10.0) == 20.0
    assert facts.exposure_s(10.0) == 2.0
    assert facts.last_failure_s == 30.0


def test_requests_in_flight_are_those_whose_time_touches() -> None:
    def starts(start_s: float, end_s: float) -> list[float]:
        return [each.started_at_s for each in FACTS.during(start_s, end_s)]

    assert starts(10.0, 10.0) == [9.0]
    assert starts(2.0, 9.0) == [1.0, 9.0]
    assert starts(13.2, 13.3) == [12.0, 13.0]
    assert starts(20.0, 30.0) == []


def test_workers_are_those_of_good_answers_begun_since() -> None:
    assert FACTS.answered_by_decode(0.0) == {2, 5}
    assert FACTS.answered_by_decode(13.5) == {5}
    assert FACTS.answered_by_prefill(12.5) == {1}
    assert FACTS.answered_by_prefill(20.0) == frozenset()


def test_failures_are_told_by_kind_with_the_first_of_them() -> None:
    assert FACTS.describe_failures(limit=1) == (
        "3 of 6 requests failed (2 x status, 1 x done); the first 1: "
        f"id-9 at 00:00:09.000Z after 2.00 s: {LOST}"
    )
    assert FACTS.describe_failures().count("id-") == 3
    assert "; all: id-9" in FACTS.describe_failures()
    assert FACTS.describe_failures(limit=0) == "3 of 6 requests failed (2 x status, 1 x done)"


def test_load_without_an_answer_yet_has_no_failures() -> None:
    empty = LoadFacts(())

    assert (empty.first_failure_s, empty.last_failure_s, empty.window_s(0.0)) == (None, None, 0.0)
    assert empty.describe_failures() == "none of 0 requests failed"
