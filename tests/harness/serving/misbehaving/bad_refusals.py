"""Misbehaviours of the error contract: what should be refused is answered, or refused wrongly."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.harness.serving.misbehaving.ask import read_ask
from tests.harness.serving.misbehaving.fields import parsed
from tests.harness.serving.misbehaving.hooks import (
    FOR_EVER_S,
    Json,
    Misbehaviour,
    State,
    Table,
)
from tests.harness.serving.misbehaving.reply import Refused, Reply, encoded
from tests.harness.serving.misbehaving.wire import Request

Body = Callable[[bytes, str, str], bytes]
Answer = Callable[[Reply, Request], Reply]

PROMPT = "Tell me a story"
MESSAGES = [{"role": "user", "content": PROMPT}]


def mending(change: Callable[[Json, str], object]) -> Body:
    """Return a hook that makes something right in the body of a request, if that is JSON."""

    def hook(body: bytes, _path: str, model: str) -> bytes:
        try:
            raw = parsed(body)
        except Refused:
            return body
        change(raw, model)
        return json.dumps(raw).encode()

    return hook


def taking_any_json(body: bytes, _path: str, model: str) -> bytes:
    """Take a body that is no JSON for a plain question."""
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return json.dumps({"model": model, "messages": MESSAGES, "prompt": PROMPT}).encode()
    return body


def taking_any_model(raw: Json, model: str) -> None:
    """Take the name of any model for that of the served one."""
    if isinstance(raw.get("model"), str):
        raw["model"] = model


def taking_low(name: str, *, above: float) -> Callable[[Json, str], None]:
    """Return a change that takes numbers of at most ``above`` for 1."""

    def change(raw: Json, _model: str) -> None:
        if type(raw.get(name)) in {int, float} and raw[name] <= above:
            raw[name] = 1

    return change


def taking_hot(raw: Json, _model: str) -> None:
    """Take every temperature that is too high for 2."""
    if type(raw.get("temperature")) in {int, float} and raw["temperature"] > 2:
        raw["temperature"] = 2


def taking_texts_for_numbers(raw: Json, _model: str) -> None:
    """Forget members of the wrong type."""
    for name in ("max_tokens", "temperature", "n", "seed", "stream"):
        if isinstance(raw.get(name), (str, list, dict)):
            del raw[name]
    if not isinstance(raw.get("messages", []), list):
        raw["messages"] = MESSAGES


def shortening(body: bytes, path: str, model: str) -> bytes:
    """Take a few words for the prompt, where that is too long."""
    try:
        read_ask(body, chat="chat" in path, model=model)
    except Refused as refused:
        if refused.reply.code == "context_length_exceeded":
            return json.dumps(json.loads(body) | _short()).encode()
    return body


def _short() -> dict[str, Any]:
    return {"messages": MESSAGES, "prompt": PROMPT}


def answering(code: str, *, status: int, body: bytes | None = None) -> Answer:
    """Return a hook that gives refusals of one code another status, and perhaps body."""

    def hook(reply: Reply, _request: Request) -> Reply:
        if reply.code != code:
            return reply
        return replace(reply, status=status, body=reply.body if body is None else body)

    return hook


def refusing(**changes: Any) -> Answer:
    """Return a hook that changes every refusal."""
    return lambda reply, _request: replace(reply, **changes) if reply.code else reply


def as_text(reply: Reply, _request: Request) -> Reply:
    """Say an error in plain words."""
    if not reply.code:
        return reply
    return replace(reply, content_type="text/plain", body=b"something went wrong")


def dying(code: str) -> Callable[[Reply, State], object]:
    """Return a hook that ends the server once a refusal of that code has left."""
    return lambda reply, _state: os._exit(1) if reply.code == code else None


def hanging_after(code: str) -> Callable[[Reply, State], None]:
    """Return a hook after which nothing is answered, once a request was refused with that code."""

    def hook(reply: Reply, state: State) -> None:
        state.hung = state.hung or reply.code == code

    return hook


def hung(_request: Request, state: State) -> float:
    """Keep everybody waiting, once something has broken the server."""
    return FOR_EVER_S if state.hung else 0.0


TABLE: Table = {
    "unknown-model-answered": Misbehaviour(
        "A request for an unknown model is answered by the one that is there.",
        body=mending(taking_any_model),
    ),
    "unknown-model-500": Misbehaviour(
        "An unknown model is refused with 500.", reply=answering("model_not_found", status=500)
    ),
    "bad-json-answered": Misbehaviour(
        "A body that is no JSON is answered as a plain question.", body=taking_any_json
    ),
    "bad-json-500": Misbehaviour(
        "A body that is no JSON is refused with 500.", reply=answering("invalid_json", status=500)
    ),
    "wrong-type-answered": Misbehaviour(
        "Members of the wrong type are taken for absent.", body=mending(taking_texts_for_numbers)
    ),
    "wrong-type-500": Misbehaviour(
        "A member of the wrong type is refused with 500.",
        reply=answering("invalid_type", status=500),
    ),
    "missing-messages-answered": Misbehaviour(
        "A request without messages or prompt is answered.",
        body=mending(lambda raw, _model: raw.update({**_short(), **raw})),
    ),
    "max-tokens-0-answered": Misbehaviour(
        "max_tokens 0 is answered with one token.",
        body=mending(
            lambda raw, _model: raw.update(max_tokens=1) if raw.get("max_tokens") == 0 else None
        ),
    ),
    "negative-max-tokens-answered": Misbehaviour(
        "A negative max_tokens is answered with one token.",
        body=mending(taking_low("max_tokens", above=-1)),
    ),
    "n-0-answered": Misbehaviour(
        "n 0 is answered with one choice.", body=mending(taking_low("n", above=0))
    ),
    "high-temperature-answered": Misbehaviour(
        "A temperature above 2 is answered.", body=mending(taking_hot)
    ),
    "long-prompt-answered": Misbehaviour(
        "An over-long prompt is cut short and answered.", body=shortening
    ),
    "long-prompt-500": Misbehaviour(
        "An over-long prompt is refused with 500.",
        reply=answering("context_length_exceeded", status=500),
    ),
    "large-body-500": Misbehaviour(
        "An over-large body is refused with 500.", reply=answering("body_too_large", status=500)
    ),
    "wrong-method-answered": Misbehaviour(
        "A wrong method is answered with 200.",
        reply=answering("method_not_allowed", status=200, body=encoded({"status": "healthy"})),
    ),
    "unknown-path-answered": Misbehaviour(
        "An unknown path is answered with 200.",
        reply=answering("not_found", status=200, body=encoded({"status": "healthy"})),
    ),
    "error-without-body": Misbehaviour("Errors have no body.", reply=refusing(body=b"")),
    "error-as-text": Misbehaviour("Errors are plain text and no JSON.", reply=as_text),
    "error-as-200": Misbehaviour(
        "Errors have their body, and status 200.", reply=refusing(status=200)
    ),
    "dies-of-bad-json": Misbehaviour(
        "The server refuses a body that is no JSON, then dies.", after=dying("invalid_json")
    ),
    "hangs-after-long-prompt": Misbehaviour(
        "The server refuses an over-long prompt, then answers nothing any more.",
        after=hanging_after("context_length_exceeded"),
        admit=hung,
    ),
}
