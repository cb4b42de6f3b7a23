"""Misbehaviours of answers in one piece, and of the names both forms carry."""

from __future__ import annotations

from dataclasses import replace

from tests.harness.serving.misbehaving.hooks import Json, Misbehaviour, Table, Turn
from tests.harness.serving.misbehaving.reply import Reply, error
from tests.harness.serving.misbehaving.wire import Request


def completions_as_chat(head: Json, turn: Turn) -> Json:
    """Call plain completions chat completions."""
    return head if turn.ask.chat else {**head, "object": "chat.completion"}


def as_html(reply: Reply, request: Request) -> Reply:
    """Call a good answer HTML."""
    good = request.method == "POST" and reply.status == 200
    return replace(reply, content_type="text/html") if good else reply


def broken_off(reply: Reply, request: Request) -> Reply:
    """Send half of a good answer, and a length that fits."""
    good = request.method == "POST" and reply.status == 200
    return replace(reply, body=reply.body[: len(reply.body) // 2]) if good else reply


def as_chunk(whole: Json, turn: Turn) -> Json:
    """Call a whole chat answer a chunk."""
    return {**whole, "object": "chat.completion.chunk"} if turn.ask.chat else whole


def without_usage(whole: Json, _turn: Turn) -> Json:
    """Count nothing."""
    return {name: value for name, value in whole.items() if name != "usage"}


def as_user(whole: Json, turn: Turn) -> Json:
    """Let the user say the answer."""
    for choice in whole["choices"] if turn.ask.chat else ():
        choice["message"]["role"] = "user"
    return whole


def failed(_whole: Json, _turn: Turn) -> Json:
    """Tell of an error as if it were an answer."""
    return error("the engine is gone", status=500, code="engine_dead")


TABLE: Table = {
    "model-other": Misbehaviour(
        "Answers say that they come from another model.",
        head=lambda head, _turn: {**head, "model": "other"},
    ),
    "completions-object-wrong": Misbehaviour(
        "Plain completions say that they are chat completions.", head=completions_as_chat
    ),
    "unary-as-html": Misbehaviour("A whole answer calls itself text/html.", reply=as_html),
    "unary-object-wrong": Misbehaviour(
        "A whole chat answer says that it is a chunk.", whole=as_chunk
    ),
    "unary-json-half": Misbehaviour("A whole answer is half its JSON.", reply=broken_off),
    "unary-usage-missing": Misbehaviour("A whole answer has no usage.", whole=without_usage),
    "unary-role-user": Misbehaviour("A whole chat answer has the role user.", whole=as_user),
    "unary-error-as-200": Misbehaviour(
        "A whole answer with status 200 is an error object.", whole=failed
    ),
}
