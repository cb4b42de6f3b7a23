"""Judges of the wire: did an answer come, whole, of the right type, in well-formed events."""

from __future__ import annotations

from harness.exchange import Outcome
from harness.serving.answer import error_message, is_error
from harness.serving.finding import Finding, found
from harness.serving.record import Record
from harness.serving.sse import DONE, Event

STREAM_TYPE = "text/event-stream"
WHOLE_TYPE = "application/json"


def status(record: Record) -> Finding | None:
    """Judge that the answer has status 200."""
    if record.status == 200:
        return None
    if record.status is None and record.outcome is not Outcome.COMPLETE:
        return None  # no head came at all: that is for `complete` to say
    body = record.body[:200].decode("utf-8", "replace")
    return found("status", "200", f"{record.status}: {error_message(record) or repr(body)}")


def complete(record: Record) -> Finding | None:
    """Judge that the answer came to its end: a cut connection is a failure even after good text."""
    if record.outcome is Outcome.COMPLETE:
        return None
    return found(
        "complete",
        "an answer that comes to its end",
        f"{record.outcome} after {record.elapsed_s:.2f} s and {len(record.body)} bytes"
        f" ({record.error})",
    )


def content_type(record: Record) -> Finding | None:
    """Judge that the answer says what it is: an event stream, or JSON."""
    expected = STREAM_TYPE if record.streamed else WHOLE_TYPE
    seen = record.header("content-type")
    if seen.partition(";")[0].strip().lower() == expected:
        return None
    return found("content-type", expected, repr(seen))


def error_event(record: Record) -> Finding | None:
    """Judge that no error comes as an event: Dynamo sends one, then [DONE], with status 200."""
    for event in record.events:
        if is_error(event):
            return found("error-event", "no error in the stream", event.shown, event=event)
    return None


def framing(record: Record) -> Finding | None:
    """Judge that the stream is ``data:`` events of JSON objects, each ended by a blank line."""
    whole = record.outcome is Outcome.COMPLETE
    judged = [event for event in record.events if whole or event.terminated]
    wrong = ((event, _misframed(event, record.generation.annotations)) for event in judged)
    for event, expected in wrong:
        if expected:
            return found("framing", expected, event.shown, event=event)
    return None


def done(record: Record) -> Finding | None:
    """Judge that the stream ends with exactly one [DONE] and nothing after it."""
    expected = f"exactly one {DONE}, as the last event"
    marks = [event for event in record.events if event.is_done]
    if not marks:
        last = record.events[-1].shown if record.events else "no event at all"
        return found("done", expected, f"none; the stream ends with {last}")
    if marks[0] is not record.events[-1]:
        after = record.events[marks[0].number]
        return found("done", expected, f"{after.shown} after it", event=after)
    return None


def _misframed(event: Event, annotations: frozenset[str]) -> str | None:
    """Return what was expected of a misframed event; ``None`` of a good one.

    A block of comments alone is good: that is how servers keep an idle connection open. Dynamo puts
    the annotations it was asked for into an ``event:`` line and a comment.
    """
    if not event.terminated:
        return "a blank line at the end of every event"
    if not _is_utf8(event):
        return "UTF-8"
    names = {name for name, _ in event.fields}
    if not names <= {"", "data"} and event.name not in annotations:
        return "only `data:` lines"
    if event.data is not None and not event.is_done and not isinstance(event.json, dict):
        return "a JSON object in every event"
    return None


def _is_utf8(event: Event) -> bool:
    try:
        b"\n".join(event.lines).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
