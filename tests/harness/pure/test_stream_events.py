"""The stream parser: nothing lost, nothing made up, however the bytes came."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.exchange import Arrival
from harness.serving.sse import Event, parse
from tests.harness.pure.serving_kit import framed, good_chunks

STORY = framed(good_chunks(["Es war ", "einmal ", "日本語 ", "🐉", "é"]))


def cut(body: bytes, marks: list[int]) -> list[Arrival]:
    """Return ``body`` in pieces that end at ``marks``, the n-th arriving after n seconds."""
    ends = [*sorted(marks), len(body)]
    starts = [0, *ends]
    return [Arrival(float(n), body[starts[n - 1] : end]) for n, end in enumerate(ends, 1)]


def told(body: bytes) -> list[tuple[tuple[bytes, ...], bool]]:
    return [(event.lines, event.terminated) for event in parse([Arrival(0.0, body)])]


@given(st.lists(st.integers(0, len(STORY)), max_size=30))
def test_pieces_of_any_size_give_the_same_events(marks: list[int]) -> None:
    pieces = parse(cut(STORY, marks))

    assert [(event.lines, event.terminated) for event in pieces] == told(STORY)


def test_one_byte_at_a_time_splits_no_character() -> None:
    events = parse([Arrival(0.0, STORY[at : at + 1]) for at in range(len(STORY))])
    said = [event.json["choices"][0]["delta"]["content"] for event in events[:5]]

    assert "".join(said) == "Es war einmal 日本語 🐉é"


@given(st.binary())
def test_no_byte_but_line_ends_is_lost(body: bytes) -> None:
    kept = b"".join(b"".join(event.lines) for event in parse([Arrival(0.0, body)]))

    assert kept == body.replace(b"\r", b"").replace(b"\n", b"")


def test_event_comes_with_the_last_byte_of_its_blank_line() -> None:
    body = b"data: 1\n\ndata: 2\n\n"

    assert [event.at_s for event in parse(cut(body, [3, 9, 17]))] == [2.0, 4.0]


def test_all_three_line_ends_count() -> None:
    blocks = [((b"data: 1",), True), ((b"data: 2",), True), ((b"data: 3",), True)]

    assert told(b"data: 1\n\ndata: 2\r\n\r\ndata: 3\r\r") == blocks


def test_last_block_without_blank_line_is_marked() -> None:
    assert told(b"data: 1\n\ndata: 2\n") == [((b"data: 1",), True), ((b"data: 2",), False)]
    assert told(b"data: 2") == [((b"data: 2",), False)]


def test_fields_are_told_apart() -> None:
    event = Event(1, 0.0, (b"event: note", b": why", b"data: a", b"data:b", b"id"), terminated=True)

    assert event.fields == (
        ("event", "note"),
        ("", "why"),
        ("data", "a"),
        ("data", "b"),
        ("id", ""),
    )
    assert event.name == "note"
    assert event.data == "a\nb"
    assert event.json is None
