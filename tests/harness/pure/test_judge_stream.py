"""The judges of streams: every mangling is found by the right judge, and no good stream is."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.exchange import Outcome
from harness.serving import (
    ChatRequest,
    Findings,
    Record,
    judge_answer,
    judge_stream,
    load_records,
    same_answer,
)
from tests.harness.pure.serving_kit import (
    STREAMS,
    Chunk,
    asked,
    content,
    end,
    framed,
    good_chunks,
    record_of,
    unary_of,
)

PIECES = ("Once ", "upon ", "a ", "time ", "日本語 ", "🐉!")
CHUNKS = good_chunks(PIECES)
GOOD = framed(CHUNKS)
ASKED = asked(max_tokens=len(PIECES))
WHOLE = unary_of("".join(PIECES), len(PIECES), ASKED)
GOOD_RECORDS = load_records(STREAMS / "good.jsonl")
BAD_RECORDS = load_records(STREAMS / "bad.jsonl")

Mangle = Callable[[list[Chunk]], None]


def promises(findings: Findings) -> list[str]:
    return [finding.promise for finding in findings]


def mangled(mangle: Mangle) -> bytes:
    chunks = copy.deepcopy(CHUNKS)
    mangle(chunks)
    return framed(chunks)


def at(number: int, **changes: object) -> Mangle:
    """Return a mangling that changes members of the chunk with that number, from 0."""
    return lambda chunks: chunks[number].update(changes)


def in_choice(number: int, **changes: object) -> Mangle:
    """Return a mangling that changes members of the choice of the chunk with that number."""
    return lambda chunks: chunks[number]["choices"][0].update(changes)


def in_delta(number: int, **changes: object) -> Mangle:
    return lambda chunks: chunks[number]["choices"][0]["delta"].update(changes)


def in_usage(**changes: object) -> Mangle:
    return lambda chunks: chunks[-1]["usage"].update(changes)


def without(number: int) -> Mangle:
    return lambda chunks: [chunks.pop(number)].clear()


def with_extra(number: int, chunk: Chunk) -> Mangle:
    return lambda chunks: chunks.insert(number, chunk)


def empty_texts(chunks: list[Chunk]) -> None:
    for chunk in chunks[: len(PIECES)]:
        chunk["choices"][0]["delta"]["content"] = ""


@pytest.mark.parametrize("record", GOOD_RECORDS, ids=lambda record: str(record.request.extra))
def test_real_answers_are_accepted(record: Record) -> None:
    assert not judge_answer(record)


def test_real_bad_answers_are_found() -> None:
    found = [promises(judge_answer(record)) for record in BAD_RECORDS]

    assert found == [
        ["order", "finish", "text"],
        ["status"],
        ["status"],
        ["error-event"],
        ["status"],
        ["status"],
        ["logprobs"],
    ]


def test_good_stream_is_accepted() -> None:
    assert not judge_stream(record_of(GOOD, ASKED))


@given(
    pieces=st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufffd"), min_size=1),
        min_size=1,
        max_size=9,
    ),
    cuts=st.lists(st.integers(0, 200), max_size=9),
)
def test_any_text_in_any_pieces_is_accepted(pieces: list[str], cuts: list[int]) -> None:
    body = framed(good_chunks(pieces))
    record = record_of(body, asked(max_tokens=len(pieces)), cuts=cuts)

    assert promises(judge_stream(record)) in ([], ["degenerate"])


MANGLINGS = {
    "no-finish": (without(-2), ["finish"]),
    "two-finishes": (with_extra(-1, end()), ["finish"]),
    "text-after-finish": (with_extra(-1, content("more")), ["finish"]),
    "finish-halfway": (in_choice(2, finish_reason="length"), ["finish"]),
    "unknown-finish": (in_choice(-2, finish_reason="tired"), ["finish"]),
    "id-changes": (at(3, id="chatcmpl-2"), ["id"]),
    "id-missing": (at(3, id=None), ["id"]),
    "model-changes": (at(2, model="other"), ["model"]),
    "created-changes": (at(-1, created=2), ["created"]),
    "object-of-whole-answer": (at(0, object="chat.completion"), ["object"]),
    "role-missing": (in_delta(0, role=None), ["role"]),
    "role-user": (in_delta(3, role="user"), ["role"]),
    "choice-not-asked-for": (in_choice(1, index=1), ["order"]),
    "choices-no-list": (at(1, choices={}), ["shape"]),
    "delta-missing": (in_choice(1, delta=None), ["shape"]),
    "index-missing": (in_choice(1, index=None), ["shape"]),
    "usage-missing": (without(-1), ["usage"]),
    "usage-in-between": (at(1, usage={"total_tokens": 1}), ["usage"]),
    "usage-before-finish": (lambda chunks: chunks.insert(-1, chunks.pop()), ["usage"]),
    "usage-wrong-sum": (in_usage(total_tokens=99), ["usage-sum"]),
    "usage-no-prompt": (in_usage(prompt_tokens=0, total_tokens=6), ["usage-sum"]),
    "zero-tokens": (in_usage(completion_tokens=0, total_tokens=5), ["length", "usage-sum"]),
    "early-length": (in_usage(completion_tokens=5, total_tokens=10), ["length"]),
    "over-the-limit": (in_usage(completion_tokens=7, total_tokens=12), ["length"]),
    "no-text": (empty_texts, ["text"]),
    "replacement-character": (in_delta(4, content="\ufffd\ufffd"), ["characters"]),
}


@pytest.mark.parametrize(("mangle", "expected"), MANGLINGS.values(), ids=MANGLINGS)
def test_mangled_chunk_is_found(mangle: Mangle, expected: list[str]) -> None:
    assert promises(judge_stream(record_of(mangled(mangle), ASKED))) == expected


BYTES = {
    "no-done": (GOOD.removesuffix(b"data: [DONE]\n\n"), ["done"]),
    "two-dones": (GOOD + b"data: [DONE]\n\n", ["done"]),
    "text-after-done": (GOOD + framed([content("x")])[:-14], ["done", "finish", "usage"]),
    "comment-after-done": (GOOD + b": bye\n\n", ["done"]),
    "done-first": (b"data: [DONE]\n\n" + GOOD.removesuffix(b"data: [DONE]\n\n"), ["done"]),
    "last-blank-line-missing": (GOOD[:-1], ["framing"]),
    "blank-line-missing": (GOOD.replace(b"\n\n", b"\n", 1), ["framing"]),
    "no-json": (GOOD.replace(b"{", b"", 1), ["framing"]),
    "json-list": (b"data: []\n\n" + GOOD, ["framing"]),
    "event-line": (b"event: chunk\n" + GOOD, ["framing"]),
    "id-line": (b"id: 7\n" + GOOD, ["framing"]),
    "bad-utf-8": (GOOD.replace("🐉".encode(), "🐉".encode()[:2]), ["framing", "characters"]),
    "error-then-done": (
        GOOD[:-14] + b'data: {"error": {"message": "no", "code": 500}}\n\ndata: [DONE]\n\n',
        ["error-event"],
    ),
    "error-as-event-line": (b'event: error\n: "no"\n\n' + GOOD, ["error-event", "framing"]),
}


@pytest.mark.parametrize(("body", "expected"), BYTES.values(), ids=BYTES)
def test_mangled_bytes_are_found(body: bytes, expected: list[str]) -> None:
    assert promises(judge_stream(record_of(body, ASKED))) == expected


@given(st.integers(0, len(GOOD) - 1))
def test_stream_cut_anywhere_is_found(size: int) -> None:
    record = record_of(GOOD[:size], ASKED, outcome=Outcome.CUT)

    assert promises(judge_stream(record)) == ["complete"]


@given(st.integers(0, len(GOOD) - 1))
def test_stream_that_ends_politely_but_early_is_found(size: int) -> None:
    assert {"framing", "done"} & set(promises(judge_stream(record_of(GOOD[:size], ASKED))))


@given(st.integers(0, len(CHUNKS)), st.integers(1, len(CHUNKS)))
def test_lost_events_are_found_by_the_judges_or_beside_the_whole_answer(at: int, lost: int) -> None:
    blocks = GOOD.split(b"\n\n")[:-1]
    kept = blocks[:at] + blocks[at + lost :]
    record = record_of(b"".join(block + b"\n\n" for block in kept), ASKED)

    assert judge_stream(record) or same_answer(record, WHOLE)


@given(st.permutations(range(len(PIECES))))
def test_events_out_of_order_are_found_beside_the_whole_answer(order: list[int]) -> None:
    body = framed(good_chunks([PIECES[at] for at in order]))
    is_in_order = order == sorted(order)

    assert bool(same_answer(record_of(body, ASKED), WHOLE)) != is_in_order


@pytest.mark.parametrize("outcome", [Outcome.CUT, Outcome.TIMEOUT, Outcome.UNREACHABLE])
def test_broken_wire_is_the_first_finding(outcome: Outcome) -> None:
    record = record_of(GOOD, ASKED, outcome=outcome)

    assert promises(judge_stream(record)) == ["complete"]


def test_wrong_content_type_is_found() -> None:
    record = record_of(GOOD, ASKED, headers=(("content-type", "application/json"),))

    assert promises(judge_stream(record)) == ["content-type"]


def test_content_type_may_have_parameters() -> None:
    headers = (("content-type", "Text/Event-Stream; charset=utf-8"),)

    assert not judge_stream(record_of(GOOD, ASKED, headers=headers))


def test_usage_that_was_not_asked_for_is_found() -> None:
    request = replace(ASKED, stream_options=None)

    assert promises(judge_stream(record_of(GOOD, request))) == ["usage"]


def test_stop_before_the_limit_of_an_endless_answer_is_found() -> None:
    body = framed([*CHUNKS[:-2], end("stop"), CHUNKS[-1]])
    endless = replace(ASKED, extra={"ignore_eos": True})

    assert promises(judge_stream(record_of(body, endless))) == ["length"]
    assert not judge_stream(record_of(body, ASKED))


def test_one_token_over_and_over_is_found() -> None:
    body = framed(good_chunks(["So", *["!"] * 40]))

    assert promises(judge_stream(record_of(body, asked(max_tokens=41)))) == ["degenerate"]


def test_repeats_inside_a_text_are_style() -> None:
    body = framed(good_chunks(["A rule:\n", "-" * 20, "\nand a lot of text below it, on and on."]))

    assert not judge_stream(record_of(body, asked(max_tokens=3)))


def test_character_cut_by_the_limit_is_accepted_at_the_very_end() -> None:
    body = framed(good_chunks(["a dragon ", "\ufffd"]))

    assert not judge_stream(record_of(body, asked(max_tokens=2)))


def test_comments_keep_a_connection_open_and_annotations_come_when_asked_for() -> None:
    body = b":\n\n" + b'event: token_ids\n: "[1]"\n\n' + GOOD
    request = replace(ASKED, extra={"nvext": {"annotations": ["token_ids"]}})

    assert not judge_stream(record_of(body, request))
    assert promises(judge_stream(record_of(body, ASKED))) == ["framing"]


def test_finding_names_promise_expectation_sight_and_event() -> None:
    findings = judge_stream(record_of(mangled(at(3, id="chatcmpl-2")), ASKED))

    told = "id: expected one id throughout (the first is 'chatcmpl-1'); seen 'chatcmpl-2' (event 4)"
    assert str(findings) == f"- {told}"
    assert repr(findings) == f"[1] {told}"
    assert repr(Findings()) == "no findings"


@given(st.binary(), st.sampled_from(list(Outcome)), st.sampled_from([None, 200, 500]))
def test_no_bytes_make_a_judge_stumble(body: bytes, outcome: Outcome, status: int | None) -> None:
    for request in (ASKED, ASKED.unary()):
        record = record_of(body, request, outcome=outcome, status=status)

        assert judge_answer(record)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "delta", "message", "index", "usage", "error", "content"]),
            inner,
        )
    ),
    max_leaves=12,
)


@given(st.lists(st.dictionaries(st.sampled_from(["choices", "usage", "error", "id"]), JUNK)))
def test_no_json_makes_a_judge_stumble(chunks: list[Chunk]) -> None:
    assert judge_stream(record_of(framed(chunks), ASKED))


def test_request_without_limit_has_no_length_to_keep() -> None:
    request = ChatRequest.ask(ASKED.model, "Tell me a story").streamed(usage=True)

    assert not judge_stream(record_of(GOOD, request))
