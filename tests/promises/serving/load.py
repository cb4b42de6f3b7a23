"""Load: crowds, a steady mix, clients that hang up, clients that read slowly; nobody is lost."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from fixtures.serving import Chat, ReportLatencies
from harness.deadline import Deadline
from harness.dynamo.kv_cache import KvCache
from harness.exchange import Reading
from harness.serving.account import Account
from harness.serving.endpoint import REQUEST_TIMEOUT_S, Endpoint
from harness.serving.finding import Findings
from harness.serving.judgement import Judging
from harness.serving.latency import most_at_once
from harness.serving.load import SteadyLoad
from harness.serving.record import Record
from harness.serving.request import ChatRequest, CompletionRequest, Request

WORDS = ("Tell me of a river.", "Why is the sky blue?", "Schreibe über Zürich.", "東京とは? 🙂")
LONG = "Repeat after me: " + "the quick brown fox jumps over the lazy dog. " * 8
MIX_REQUESTS = 60
MIX_RATE_PER_S = 20.0
CROWD = 32
CROWDS = {1: 32, 8: 32, 64: 64, 256: 128}
"""Streams at once, and the tokens of each: so long that the first has not ended before the last."""

LONGER = (1, 2)
AT_ONCE = 0.5
"""Share of a crowd that has to have been in flight together."""
ANSWER_TOKENS = 48
LONG_ANSWER = 192
"""Tokens of streams that go on for so long that the workers' metrics tell of them."""

HANG_UP_AFTER = 3
SLOW = Reading(pause_s=0.05, receive_buffer=2048)


def _stream(model: str, number: int, tokens: int = ANSWER_TOKENS) -> ChatRequest:
    words = f"{WORDS[number % len(WORDS)]} ({number})"
    return ChatRequest.ask(model, words, max_tokens=tokens, temperature=0.0).streamed(usage=True)


def _mixed(model: str, number: int) -> Request:
    """Return one of the kinds of request that clients send: streams and whole, long and short."""
    kinds = (
        _stream(model, number, 16),
        _stream(model, number, 8).unary(),
        ChatRequest.ask(model, LONG, max_tokens=8, temperature=0.0).streamed(usage=True),
        CompletionRequest(model, prompt=WORDS[0], max_tokens=12, temperature=0.0).streamed(),
    )
    return kinds[number % len(kinds)]


def _together(
    endpoint: Endpoint, readings: Sequence[Reading | None], tokens: int = ANSWER_TOKENS
) -> list[Record]:
    """Send a stream for each reading, all at once."""
    model = endpoint.served.model
    requests = [_stream(model, number, tokens) for number in range(len(readings))]
    return endpoint.ask_together(requests, readings=readings)


def _crowd(endpoint: Endpoint, clients: int) -> tuple[list[Record], int]:
    """Send a crowd's streams, longer ones if the first end before the last have come.

    Return the records of all that was sent, and how many of the last were in flight together.
    """
    records: list[Record] = []
    for longer in LONGER:
        tokens = CROWDS[clients] * longer
        model = endpoint.served.model
        last = endpoint.ask_together([_stream(model, number, tokens) for number in range(clients)])
        records += last
        if most_at_once(last) >= AT_ONCE * clients:
            break
    return records, most_at_once(last)


@pytest.mark.load
@pytest.mark.lifecycle("serve")
class LoadPromises:
    """What holds under load."""

    @pytest.mark.parametrize("clients", list(CROWDS))
    def test_every_stream_of_a_crowd_is_whole(
        self,
        endpoint: Endpoint,
        judge: Judging,
        report_latencies: ReportLatencies,
        clients: int,
    ) -> None:
        """At each concurrency every stream is whole, and none is lost."""
        records, together = _crowd(endpoint, clients)
        outside = report_latencies(records[-clients:], clients, together)

        assert not judge.stream(*records)
        assert judge.account(records) == Account(sent=len(records), answered=len(records))
        assert not outside, "outside of the site's reference values"
        if together < AT_ONCE * clients:
            pytest.skip(
                f"of {clients} whole streams only {together} were in flight at once: the answers "
                "are too short or come too fast for this client to make such a crowd"
            )

    def test_steady_mix_is_answered(self, endpoint: Endpoint, judge: Judging) -> None:
        """A steady mix of requests, long and short, streamed and whole, is answered throughout."""
        load = SteadyLoad(
            endpoint.http,
            lambda number: _mixed(endpoint.served.model, number),
            rate_per_s=MIX_RATE_PER_S,
            clients=16,
            timeout_s=REQUEST_TIMEOUT_S,
            sink=endpoint.sink,
            stall_limit_s=judge.stall_limit_s,
        )
        with load:
            deadline = Deadline.after(REQUEST_TIMEOUT_S)
            reached = load.wait_for(lambda facts: facts.sent >= MIX_REQUESTS, deadline)
        facts = load.facts()

        assert reached, f"{facts.sent} of {MIX_REQUESTS} requests came to an end"
        assert not facts.failed, facts.describe_failures()

    def test_clients_that_hang_up_harm_nobody(self, endpoint: Endpoint, judge: Judging) -> None:
        """Half of the clients hang up in mid-stream, twice over; the others' streams are whole."""
        half = [Reading(hang_up_after=HANG_UP_AFTER) if n % 2 else None for n in range(CROWD)]
        records = [record for _ in range(2) for record in _together(endpoint, half)]
        harmed = Findings([*judge.stream(*records[0::2]), *judge.cancelled(*records[1::2])])

        assert not harmed
        assert judge.account(records) == Account(sent=2 * CROWD, answered=CROWD, cancelled=CROWD)

    def test_slots_of_clients_that_hung_up_come_back(
        self, endpoint: Endpoint, chat: Chat, judge: Judging
    ) -> None:
        """After more hang-ups than there are places, a whole crowd is served again."""
        leaving = Reading(hang_up_after=1)
        cancelled = [each for _ in range(3) for each in _together(endpoint, [leaving] * CROWD)]
        after = _together(endpoint, [None] * CROWD)

        assert not judge.cancelled(*cancelled)
        assert not judge.stream(*after, chat(WORDS[0], max_tokens=4, stream=True))

    def test_blocks_of_clients_that_hung_up_come_back(
        self, endpoint: Endpoint, kv_cache: KvCache, judge: Judging
    ) -> None:
        """The KV blocks of cancelled streams are free again, on every worker."""
        idle = kv_cache.idle()
        half = [Reading(hang_up_after=HANG_UP_AFTER) if n % 2 else None for n in range(CROWD)]
        records, peak = kv_cache.peak_under(
            lambda: _together(endpoint, half, LONG_ANSWER), above=idle
        )
        after = kv_cache.back_to(idle)

        assert not judge.cancelled(*records[1::2])
        assert not judge.stream(*records[0::2])
        assert sum(peak.values()) > sum(idle.values()), f"idle {idle}, under load {peak}"
        assert {name: n for name, n in after.items() if n > idle[name]} == {}, f"idle {idle}"

    def test_slow_readers_get_all_and_hold_up_nobody(
        self, endpoint: Endpoint, judge: Judging
    ) -> None:
        """Streams that are read slowly come whole, and the streams beside them do not stall."""
        readings = [SLOW if number % 4 == 0 else None for number in range(16)]
        records = _together(endpoint, readings)

        assert not judge.stream(*records)
        assert judge.account(records) == Account(sent=16, answered=16)
