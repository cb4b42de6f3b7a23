"""Requests, records and the sink: what is asked is what is sent, what came is what is kept."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.exchange import Outcome
from harness.http import Http
from harness.serving import (
    ChatRequest,
    Record,
    RecordSink,
    error_message,
    joined_text,
    judge_refusal,
    judge_stream,
    load_records,
    send,
    send_many,
)
from tests.harness.pure.serving_kit import (
    MODEL,
    answer,
    asked,
    framed,
    good_chunks,
    read_request,
    record_of,
    says,
    serving,
)

GOOD = framed(good_chunks(["Once ", "upon ", "a time"]))
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


def streamed(body: bytes) -> bytes:
    return answer(body, kind="text/event-stream")


def test_body_is_the_seeds_own_request() -> None:
    request = ChatRequest.ask(MODEL, "Tell me a story.", max_tokens=30, stream=True)

    assert request.body() == {
        "model": MODEL,
        "messages": [{"role": "user", "content": "Tell me a story."}],
        "stream": True,
        "max_tokens": 30,
    }


@given(
    request=st.builds(
        ChatRequest,
        model=st.text(),
        messages=st.lists(st.dictionaries(st.text(), JSON_VALUES)).map(tuple),
        max_tokens=st.none() | st.integers(),
        temperature=st.none() | st.floats(0, 2),
        seed=st.none() | st.integers(),
        stream=st.booleans(),
        stream_options=st.none() | st.dictionaries(st.text(), JSON_VALUES),
        extra=st.dictionaries(st.text(min_size=1).map(lambda key: f"x-{key}"), JSON_VALUES),
    )
)
def test_request_comes_back_from_its_body(request: ChatRequest) -> None:
    assert ChatRequest.from_body(json.loads(json.dumps(request.body()))) == request


def test_whole_twin_of_a_stream_has_no_stream_options() -> None:
    assert "stream_options" not in asked(max_tokens=1).unary().body()


def test_workers_are_asked_for_beside_other_extensions() -> None:
    request = asked(extra={"nvext": {"ignore_eos": True}, "stop": ["x"]}).naming_workers()

    assert request.extra == {
        "nvext": {"ignore_eos": True, "extra_fields": ["worker_id"]},
        "stop": ["x"],
    }


def test_stream_is_recorded_with_request_id_and_headers() -> None:
    seen: list[bytes] = []

    def script(peer: socket.socket) -> None:
        seen.append(read_request(peer))
        peer.sendall(streamed(GOOD))

    with serving(script) as url, Http(url) as http:
        record = send(http, asked(max_tokens=3), timeout_s=5)
    assert not judge_stream(record)
    assert joined_text(record) == "Once upon a time"
    assert record.url == f"{url}/v1/chat/completions"
    assert f"x-request-id: {record.request_id}".encode() in seen[0]
    assert json.loads(seen[0].partition(b"\r\n\r\n")[2]) == record.request.body()


def test_cut_stream_is_an_outcome() -> None:
    half = streamed(GOOD)[:-40]
    with serving(says(half)) as url, Http(url) as http:
        record = send(http, asked(max_tokens=3), timeout_s=5)
    assert record.outcome is Outcome.CUT
    assert [finding.promise for finding in judge_stream(record)] == ["complete"]


def test_unreachable_server_is_an_outcome() -> None:
    with serving(says()) as url:
        pass
    with Http(url) as http:
        record = send(http, asked(), timeout_s=5)
    assert record.outcome is Outcome.UNREACHABLE
    assert "unreachable" in str(judge_stream(record))


def test_refusal_is_read_in_both_forms() -> None:
    bodies = [b'{"message": "Model not found"}', b'{"error": {"message": "Model not found"}}']
    for body in bodies:
        with serving(says(answer(body, status="404 Not Found"))) as url, Http(url) as http:
            record = send(http, asked(), timeout_s=5)
        assert not judge_refusal(record, status=404)
        assert error_message(record) == "Model not found"


def test_refusal_without_words_is_found() -> None:
    record = record_of(b"", asked(), status=404)

    assert "an error body with a message" in str(judge_refusal(record, status=404))
    assert "expected status 400; seen status 404" in str(judge_refusal(record, status=400))


def test_many_keep_their_order_and_their_limit() -> None:
    running, most = 0, 0
    lock, all_in = threading.Lock(), threading.Barrier(4)

    def script(peer: socket.socket) -> None:
        nonlocal running, most
        asked_for = json.loads(read_request(peer).partition(b"\r\n\r\n")[2])["max_tokens"]
        with lock:
            running += 1
            most = max(most, running)
        all_in.wait(timeout=5)
        with lock:
            running -= 1
        peer.sendall(streamed(framed(good_chunks([f"{asked_for} "]))))

    requests = [asked(max_tokens=number) for number in range(12)]
    with serving(script) as url, Http(url) as http:
        records = send_many(http, requests, concurrency=4, timeout_s=10)
    assert [joined_text(record) for record in records] == [f"{number} " for number in range(12)]
    assert most == 4


def test_sink_keeps_every_record_at_once(tmp_path: Path) -> None:
    path = tmp_path / "records" / "chat.jsonl"
    with serving(says(streamed(GOOD))) as url, Http(url) as http, RecordSink(path) as sink:
        requests = [asked(max_tokens=3, seed=number) for number in range(20)]
        records = send_many(http, requests, concurrency=5, timeout_s=10, sink=sink)
        kept = load_records(path)
    assert {record.generation.seed for record in kept} == set(range(20))
    assert sorted(kept, key=lambda record: record.generation.seed or 0) == records


@given(
    body=st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")),
    cuts=st.lists(st.integers(0, 50), max_size=5),
    headers=st.lists(st.tuples(st.text(), st.text())).map(tuple),
    outcome=st.sampled_from(list(Outcome)),
    status=st.none() | st.integers(100, 599),
)
def test_record_is_loaded_without_loss(body: bytes, **kwargs: Any) -> None:
    record = record_of(body, asked(max_tokens=3), **kwargs)
    line = record.to_line()

    assert Record.from_line(line) == record
    assert line.isascii()
    assert "\n" not in line


def test_damaged_record_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl"
    line = record_of(GOOD, asked()).to_line()
    path.write_text(f"{line}\n{line[:100]}\n")

    with pytest.raises(HarnessError, match=rf"line 2 of {path}"):
        load_records(path)


def test_record_of_another_format_is_refused() -> None:
    line = record_of(GOOD, asked()).to_line().replace('"format": 2', '"format": 9')

    with pytest.raises(HarnessError, match="seen format 9"):
        Record.from_line(line)


def test_record_is_shown_in_one_short_line() -> None:
    shown = repr(record_of(GOOD, asked()))

    assert "stream of 6 events" in shown
    assert len(shown) < 200
