"""Requests of every kind: what is sent, what is saved of it, and that it comes back the same."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.exchange import Outcome
from harness.http import Http
from harness.serving import ChatRequest, Record, judge_refusal, load_records, send
from harness.serving.request import (
    CHAT_PATH,
    COMPLETIONS_PATH,
    KINDS,
    CompletionRequest,
    RawRequest,
    Request,
)
from tests.harness.pure.serving_kit import (
    MODEL,
    STREAMS,
    answer,
    asked,
    plain_asked,
    read_request,
    record_of,
    serving,
)

MIB = 2**20
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
FIELDS = {
    "model": st.text(),
    "max_tokens": st.none() | st.integers(),
    "temperature": st.none() | st.floats(0, 2),
    "seed": st.none() | st.integers(),
    "stream": st.booleans(),
    "stream_options": st.none() | st.dictionaries(st.text(), JSON_VALUES),
    "extra": st.dictionaries(st.text(min_size=1).map(lambda key: f"x-{key}"), JSON_VALUES),
}
MESSAGES = st.lists(st.dictionaries(st.text(), JSON_VALUES)).map(tuple)
REQUESTS: st.SearchStrategy[Request] = st.one_of(
    st.builds(ChatRequest, messages=MESSAGES, **FIELDS),
    st.builds(CompletionRequest, prompt=st.text(), **FIELDS),
    st.builds(
        RawRequest,
        method=st.sampled_from(["GET", "POST", "PUT"]),
        path=st.text(),
        data=st.binary() | st.integers(0, 300).flatmap(lambda n: st.just(b"\xff" * n)),
        content_type=st.text(),
    ),
)


@given(REQUESTS)
def test_request_of_any_kind_comes_back_from_its_record(request: Request) -> None:
    line = record_of(b"x", request).to_line()

    assert Record.from_line(line).request == request
    assert json.loads(line)["kind"] == request.kind
    assert line.isascii()


@given(REQUESTS)
def test_what_comes_back_sends_the_same_bytes(request: Request) -> None:
    back = KINDS[request.kind].from_body(json.loads(json.dumps(request.body())))

    assert back.content() == request.content()
    assert (back.method, back.path) == (request.method, request.path)


def test_every_kind_has_its_name() -> None:
    assert dict(KINDS) == {"chat": ChatRequest, "completion": CompletionRequest, "raw": RawRequest}


@pytest.mark.parametrize("byte", [b" ", b"\x00", b"\xff", b"\n"])
def test_one_byte_over_and_over_is_saved_as_such(byte: bytes) -> None:
    request = RawRequest("POST", CHAT_PATH, byte * (64 * MIB))
    line = record_of(b"", request).to_line()
    size, is_the_same = len(line), Record.from_line(line).request == request

    assert size < 1000
    assert is_the_same, "pytest would take minutes to show the difference"


@pytest.mark.parametrize("data", [b"", b"a", b"ab", b"aab", "ää".encode(), b"\xc3\xa4\xff"])
def test_other_bytes_are_saved_whole(data: bytes) -> None:
    assert RawRequest.from_body(RawRequest("POST", "/", data).body()).data == data


def test_raw_request_is_sent_as_it_is() -> None:
    seen: list[bytes] = []

    def script(peer: socket.socket) -> None:
        seen.append(read_request(peer))
        peer.sendall(answer(b'{"message": "no"}', status="400 Bad Request"))

    request = RawRequest("PUT", COMPLETIONS_PATH, b'{"model": "\xff\xfe"}', "text/plain")
    with serving(script) as url, Http(url) as http:
        record = send(http, request, timeout_s=5)

    assert seen[0].startswith(b"PUT /v1/completions HTTP/1.1\r\n")
    assert b"content-type: text/plain\r\n" in seen[0]
    assert seen[0].endswith(b'\r\n\r\n{"model": "\xff\xfe"}')
    assert not judge_refusal(record, status=(400, 422))


def test_plain_request_goes_to_its_own_path() -> None:
    request = plain_asked(max_tokens=3)

    assert request.path == COMPLETIONS_PATH
    assert json.loads(request.content()) == {
        "model": MODEL,
        "prompt": "Once",
        "max_tokens": 3,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_raw_request_is_no_generation_and_its_record_is_shown_by_path() -> None:
    record = record_of(b"", RawRequest("GET", CHAT_PATH), status=405)

    assert not record.streamed
    assert CHAT_PATH in repr(record)
    with pytest.raises(HarnessError, match="expected a request for a completion"):
        _ = record.generation


def test_old_records_are_of_chats() -> None:
    """Format 1 did not name the kind; records of runs before today are read as before."""
    saved = json.loads(record_of(b"x", asked(max_tokens=2)).to_line())
    del saved["kind"]
    old = Record.from_line(json.dumps(saved | {"format": 1}))

    assert old == record_of(b"x", asked(max_tokens=2))
    assert {record.request.kind for record in load_records(STREAMS / "good.jsonl")} == {"chat"}


@pytest.mark.parametrize(
    ("asked_for", "alternatives"),
    [
        (asked(), None),
        (asked(extra={"logprobs": False, "top_logprobs": 3}), None),
        (asked(extra={"logprobs": True}), 0),
        (asked(extra={"logprobs": True, "top_logprobs": 3}), 3),
        (plain_asked(), None),
        (plain_asked(extra={"logprobs": 0}), 0),
        (plain_asked(extra={"logprobs": 2}), 2),
    ],
)
def test_each_kind_asks_for_logprobs_in_its_own_words(
    asked_for: ChatRequest | CompletionRequest, alternatives: int | None
) -> None:
    assert asked_for.top_logprobs == alternatives


@pytest.mark.parametrize(
    "damaged", [b"[]", b"5", b'"text"', b"{}", b"\xff\xfe{}", b"[" * 99999], ids=range(6)
)
def test_damaged_line_of_any_kind_is_named(tmp_path: Path, damaged: bytes) -> None:
    """A list, or a byte that is no ASCII, ended in a traceback."""
    path = tmp_path / "records.jsonl"
    good = record_of(b"", asked(), outcome=Outcome.CUT).to_line().encode()
    path.write_bytes(good + b"\n" + damaged + b"\n")

    with pytest.raises(HarnessError, match="record"):
        load_records(path)
