"""Dynamo's mocker behind its frontend is an honest server: no judge may say otherwise."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.http import Http
from harness.serving import ChatRequest, judge_stream, judge_unary, send, send_many
from tests.harness.serving.mocker import mocker

# The image's packages, not the cluster: but it is `make install` that brings them, as for these.
pytestmark = [pytest.mark.testbed, pytest.mark.slow]

ANSWER_S = 20.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Http, str]]:
    """A client of the mocker, and the model's name."""
    with mocker(tmp_path_factory.mktemp("mocker")) as (url, model), Http(url) as client:
        yield client, model


def asked(model: str) -> ChatRequest:
    """Return a request that the mocker can answer: it needs a limit."""
    return ChatRequest.ask(model, "Tell me a story", max_tokens=32)


@pytest.mark.parametrize("usage", [True, False])
def test_no_judge_finds_fault_with_a_stream(server: tuple[Http, str], usage: bool) -> None:
    client, model = server

    record = send(client, asked(model).streamed(usage=usage), timeout_s=ANSWER_S)

    assert not judge_stream(record)


def test_no_judge_finds_fault_with_a_whole_answer(server: tuple[Http, str]) -> None:
    client, model = server

    record = send(client, asked(model), timeout_s=ANSWER_S)

    assert not judge_unary(record)


def test_no_judge_finds_fault_with_streams_in_a_crowd(server: tuple[Http, str]) -> None:
    client, model = server
    requests = [asked(model).streamed(usage=True)] * 32

    records = send_many(client, requests, concurrency=32, timeout_s=ANSWER_S)

    assert not [finding for record in records for finding in judge_stream(record)]
