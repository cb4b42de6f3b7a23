"""What a request asks for, read from its body with every check that the contract names."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.harness.serving.misbehaving.fields import (
    field,
    needed,
    number,
    parsed,
    texts,
    whole_number,
    wrong_type,
    wrong_value,
)
from tests.harness.serving.misbehaving.formats import Form, asked_form
from tests.harness.serving.misbehaving.reply import Refused
from tests.harness.serving.misbehaving.words import count_tokens

CONTEXT_TOKENS = 4096
DEFAULT_LIMIT = 32
MOST_CHOICES = 16

TOKENS_PER_MESSAGE = 4
TOKENS_PER_CHAT = 3

_ROLES = ("system", "developer", "user", "assistant", "tool")


@dataclass(frozen=True)
class Ask:
    """A request that was accepted. The text is a function of ``key``.

    ``limit`` is in tokens; ``logprobs`` is how many alternatives each token is to have, ``None``
    when none were asked for; ``form`` is what the answer has to be, if not plain text.
    """

    chat: bool
    model: str
    key: str
    sampled: bool
    prompt_tokens: int
    limit: int
    n: int = 1
    stream: bool = False
    include_usage: bool = False
    stop: tuple[str, ...] = ()
    keep_stop: bool = False
    ignore_eos: bool = False
    logprobs: int | None = None
    form: Form | None = None


def read_ask(body: bytes, *, chat: bool, model: str) -> Ask:
    """Return what ``body`` asks of the served ``model``; raise :class:`Refused` if it may not."""
    raw = parsed(body)
    if needed(raw, "model", str) != model:
        raise Refused(404, f"the model {raw['model']!r:.80} is not served", code="model_not_found")
    prompt, prompt_tokens = _messages(raw) if chat else _prompt(raw)
    sampled = bool(number(raw, "temperature", low=0, high=2))
    number(raw, "top_p", low=0, high=1)
    stream = bool(field(raw, "stream", bool))
    return Ask(
        chat=chat,
        model=model,
        key=_key(raw, prompt, sampled=sampled),
        sampled=sampled,
        prompt_tokens=prompt_tokens,
        limit=_limit(raw, prompt_tokens),
        n=whole_number(raw, "n", low=1, high=MOST_CHOICES) or 1,
        stream=stream,
        include_usage=_include_usage(raw, stream=stream),
        stop=texts(raw, "stop", most=4),
        ignore_eos=_ignore_eos(raw),
        logprobs=_chat_logprobs(raw) if chat else whole_number(raw, "logprobs", low=0, high=5),
        form=asked_form(raw) if chat else None,
    )


def _messages(raw: Mapping[str, Any]) -> tuple[str, int]:
    messages = needed(raw, "messages", list)
    if not messages:
        raise wrong_value("messages", "at least one", messages)
    tokens = TOKENS_PER_CHAT
    for at, message in enumerate(messages):
        tokens += TOKENS_PER_MESSAGE + count_tokens(_content(message, f"messages[{at}]"))
    return json.dumps(messages, sort_keys=True), tokens


def _content(message: Any, name: str) -> str:
    if not isinstance(message, dict):
        raise wrong_type(name, "an object", message)
    if needed(message, "role", str) not in _ROLES:
        raise wrong_value(f"{name}.role", f"one of {', '.join(_ROLES)}", message["role"])
    content: Any = field(message, "content", str, list)
    if isinstance(content, list):
        said: list[Any] = [part.get("text") for part in content if isinstance(part, dict)]
        if len(said) != len(content) or not all(isinstance(text, str) for text in said):
            raise wrong_type(f"{name}.content", "parts of text", content)
        return " ".join(said)
    if content is None and not message.get("tool_calls"):
        raise Refused(400, f"{name}.content: this member is required", code="missing_field")
    return content or ""


def _prompt(raw: Mapping[str, Any]) -> tuple[str, int]:
    prompt: Any = needed(raw, "prompt", str, list)
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str):
        prompt = prompt[0]
    if not prompt:
        raise wrong_value("prompt", "at least one token", prompt)
    if isinstance(prompt, str):
        return json.dumps(prompt), max(1, count_tokens(prompt))
    if not all(type(token) is int for token in prompt):
        raise wrong_type("prompt", "one text, or a list of token ids", prompt)
    return json.dumps(prompt), len(prompt)


def _key(raw: Mapping[str, Any], prompt: str, *, sampled: bool) -> str:
    seed = field(raw, "seed", int)
    if not sampled:  # the likeliest text is the same whatever the seed
        return prompt
    return f"{prompt} {uuid.uuid4() if seed is None else seed}"


def _limit(raw: Mapping[str, Any], prompt_tokens: int) -> int:
    """Return the most tokens of an answer; both names are checked, and the newer one counts."""
    most = 1 << 31
    old = whole_number(raw, "max_tokens", low=1, high=most)
    new = whole_number(raw, "max_completion_tokens", low=1, high=most)
    asked = new or old
    if prompt_tokens + (asked or 1) > CONTEXT_TOKENS:
        raise Refused(
            400,
            f"this model's context has {CONTEXT_TOKENS} tokens; the request asks for "
            f"{prompt_tokens} of the prompt and {asked or 1} of the answer",
            code="context_length_exceeded",
        )
    return asked or min(DEFAULT_LIMIT, CONTEXT_TOKENS - prompt_tokens)


def _include_usage(raw: Mapping[str, Any], *, stream: bool) -> bool:
    options = field(raw, "stream_options", dict)
    if options is not None and not stream:
        raise Refused(400, "stream_options: only with stream: true", code="invalid_value")
    return bool(field(options or {}, "include_usage", bool))


def _ignore_eos(raw: Mapping[str, Any]) -> bool:
    nvext = field(raw, "nvext", dict) or {}
    return bool(field(raw, "ignore_eos", bool) or field(nvext, "ignore_eos", bool))


def _chat_logprobs(raw: Mapping[str, Any]) -> int | None:
    wanted = field(raw, "logprobs", bool)
    alternatives = whole_number(raw, "top_logprobs", low=0, high=20)
    if alternatives is not None and not wanted:
        raise Refused(400, "top_logprobs: only with logprobs: true", code="invalid_value")
    return (alternatives or 0) if wanted else None
