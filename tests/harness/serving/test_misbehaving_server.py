"""The misbehaving server: honest by default, and every misbehaviour has a name and starts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest

from harness.exchange import Exchange, Outcome
from harness.http import Http
from harness.serving import (
    ChatRequest,
    Findings,
    finish_reason,
    joined_text,
    judge_answer,
    judge_refusal,
    same_answer,
    send,
    send_many,
    usage,
)
from tests.harness.serving.misbehaving import DEFAULT_MODEL, MISBEHAVIOURS, Settings, misbehaving
from tests.harness.serving.misbehaving.misbehaviours import PARTS
from tests.harness.serving.misbehaving.server import Server

TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}}
AS_JSON = {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA}}


def ask(**options: Any) -> ChatRequest:
    return ChatRequest.ask(DEFAULT_MODEL, "Tell me a story", **options)


def post(client: Http, path: str, body: dict[str, Any]) -> Exchange:
    return client.exchange("POST", path, content=json.dumps(body).encode())


@pytest.fixture(scope="module")
def honest() -> Iterator[Http]:
    """A client of the honest server."""
    with misbehaving(None) as url, Http(url) as client:
        yield client


@pytest.fixture(scope="module")
def urls() -> Iterator[dict[str, str]]:
    """The URLs of servers of all misbehaviours, which share one loop of this process."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever)
    thread.start()
    starting = asyncio.run_coroutine_threadsafe(_listening(), loop)
    ports = starting.result(10)
    yield {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


async def _listening() -> dict[str, int]:
    servers = {name: await Server(Settings(), each).listen() for name, each in NAMED}
    return {name: each.sockets[0].getsockname()[1] for name, each in servers.items()}


NAMED = tuple(MISBEHAVIOURS.items())


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"max_tokens": 1},
        {"max_tokens": 300},
        {"max_tokens": 250, "extra": {"ignore_eos": True}},
        {"max_tokens": 9, "temperature": 0.7, "seed": 4},
        {"max_tokens": 9, "extra": {"n": 3}},
        {"max_tokens": 9, "extra": {"logprobs": True, "top_logprobs": 2}},
        {"max_tokens": 50, "extra": {"response_format": AS_JSON}},
        {"max_tokens": 50, "extra": {"tools": [TOOL], "tool_choice": "required"}},
    ],
    ids=str,
)
def test_honest_answers_are_accepted(honest: Http, options: dict[str, Any]) -> None:
    whole = send(honest, ask(**options), timeout_s=10)
    stream = send(honest, ask(**options).streamed(usage=True), timeout_s=10)
    uncounted = send(honest, ask(**options).streamed(), timeout_s=10)

    assert [judge_answer(each) for each in (whole, stream, uncounted)] == [Findings()] * 3
    assert not same_answer(stream, whole)


def test_honest_server_serves_256_streams_at_once(honest: Http) -> None:
    requests = [ask(max_tokens=16).streamed(usage=True)] * 256
    records = send_many(honest, requests, concurrency=256, timeout_s=30)

    assert [judge_answer(each) for each in records] == [Findings()] * 256
    assert len({joined_text(each) for each in records}) == 1


def test_stop_string_ends_an_honest_answer(honest: Http) -> None:
    told = joined_text(send(honest, ask(), timeout_s=10))
    record = send(honest, ask(extra={"stop": [told[40:50]]}), timeout_s=10)
    counted = usage(record)

    assert joined_text(record) == told[: told.index(told[40:50])]
    assert finish_reason(record) == "stop"
    assert counted is not None
    assert counted.completion_tokens < 32


def test_honest_answer_in_json_satisfies_the_schema(honest: Http) -> None:
    record = send(honest, ask(extra={"response_format": AS_JSON}), timeout_s=10)

    assert json.loads(joined_text(record)) == {"name": "river", "age": 7}


@pytest.mark.parametrize(
    ("status", "options"),
    [
        (400, {"max_tokens": 0}),
        (400, {"max_tokens": -1}),
        (400, {"temperature": 2.5}),
        (400, {"max_tokens": 4096}),
        (400, {"extra": {"n": 0}}),
        (400, {"extra": {"messages": []}}),
        (400, {"extra": {"max_tokens": "many"}}),
        (404, {"extra": {"model": "unknown"}}),
        (413, {"extra": {"user": "a" * (9 << 20)}}),
    ],
    ids=lambda value: str(value)[:40],
)
def test_honest_refusals_are_accepted(honest: Http, status: int, options: dict[str, Any]) -> None:
    assert not judge_refusal(send(honest, ask(**options), timeout_s=10), status=status)


def test_honest_plain_completion_has_its_own_shape(honest: Http) -> None:
    body = {"model": DEFAULT_MODEL, "prompt": "Once", "max_tokens": 4, "logprobs": 1}
    answer = post(honest, "/v1/completions", body).json()

    assert answer["object"] == "text_completion"
    assert "".join(answer["choices"][0]["logprobs"]["tokens"]) == answer["choices"][0]["text"]


def test_misbehaviours_are_many_and_described() -> None:
    descriptions = {each.description for each in MISBEHAVIOURS.values()}

    assert len(MISBEHAVIOURS) == sum(map(len, PARTS)) == len(descriptions)
    assert len(MISBEHAVIOURS) >= 32
    assert all(each.endswith(".") for each in descriptions)


@pytest.mark.parametrize("name", MISBEHAVIOURS)
def test_misbehaving_server_still_names_its_model(urls: dict[str, str], name: str) -> None:
    with Http(urls[name]) as client:
        models = client.get_json("/v1/models")

    assert [each["id"] for each in models["data"]] == [DEFAULT_MODEL]


def test_server_that_dies_is_no_error_of_the_block_it_ran_in() -> None:
    with misbehaving("dies-of-bad-json") as url, Http(url) as client:
        refused = client.exchange("POST", "/v1/chat/completions", content=b"{")
        after = client.exchange("GET", "/health")

    assert refused.status == 400
    assert after.outcome is not Outcome.COMPLETE
