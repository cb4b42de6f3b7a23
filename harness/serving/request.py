"""What is asked of the model: one chat completion, as a fact that can be sent, saved and judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

CHAT_PATH = "/v1/chat/completions"


@dataclass(frozen=True)
class ChatRequest:
    """One request for a chat completion, in the words of OpenAI's API.

    ``None`` means "not sent". ``extra`` holds any other member of the body, such as ``stop``,
    ``n``, ``ignore_eos`` or Dynamo's ``nvext``.
    """

    model: str
    messages: tuple[Mapping[str, Any], ...]
    max_tokens: int | None = None
    temperature: float | None = None
    seed: int | None = None
    stream: bool = False
    stream_options: Mapping[str, Any] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def ask(cls, model: str, text: str, **options: Any) -> ChatRequest:
        """Return a request with one user message; ``options`` are the other fields."""
        return cls(model=model, messages=({"role": "user", "content": text},), **options)

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> ChatRequest:
        """Return the request that :meth:`body` would turn into ``body``."""
        known = {key: value for key, value in body.items() if key in _NAMES}
        known["messages"] = tuple(body["messages"])
        return cls(**known, extra={key: body[key] for key in body if key not in _NAMES})

    def body(self) -> dict[str, Any]:
        """Return the JSON body to send; ``stream`` is always said, other fields only when set."""
        named = {name: getattr(self, name) for name in _NAMES}
        named["messages"] = list(self.messages)
        return {key: value for key, value in named.items() if value is not None} | dict(self.extra)

    def streamed(self, *, usage: bool = False) -> ChatRequest:
        """Return the same request as a stream, with a usage chunk at the end if ``usage``."""
        options = {"include_usage": True} if usage else None
        return replace(self, stream=True, stream_options=options)

    def unary(self) -> ChatRequest:
        """Return the same request for one whole answer (``stream_options`` would be refused)."""
        return replace(self, stream=False, stream_options=None)

    def naming_workers(self) -> ChatRequest:
        """Return the same request, asking Dynamo to name the workers that served it (``nvext``)."""
        nvext = dict(self.extra.get("nvext", {}))
        nvext["extra_fields"] = [*nvext.get("extra_fields", []), "worker_id"]
        return replace(self, extra={**self.extra, "nvext": nvext})

    @property
    def choices(self) -> int:
        """How many choices are asked for (``n``, 1 unless said)."""
        return int(self.extra.get("n", 1))

    @property
    def limit(self) -> int | None:
        """The most completion tokens allowed, under either of the two names OpenAI has for it."""
        limit = self.extra.get("max_completion_tokens", self.max_tokens)
        return None if limit is None else int(limit)

    @property
    def wants_usage(self) -> bool:
        """Whether a stream has to carry usage (a whole answer always does)."""
        return bool((self.stream_options or {}).get("include_usage"))

    @property
    def wants_running_usage(self) -> bool:
        """Whether every chunk of the stream has to carry the usage so far."""
        return bool((self.stream_options or {}).get("continuous_usage_stats"))

    @property
    def runs_to_limit(self) -> bool:
        """Whether only the limit can end the answer: no end token and no stop string counts."""
        ignores_eos = self.extra.get("ignore_eos") or self.extra.get("nvext", {}).get("ignore_eos")
        return bool(ignores_eos) and not self.extra.get("stop")

    @property
    def annotations(self) -> frozenset[str]:
        """Names of the extra ``event:`` blocks asked of Dynamo (``nvext.annotations``)."""
        return frozenset(self.extra.get("nvext", {}).get("annotations", ()))


_NAMES = tuple(spec.name for spec in fields(ChatRequest) if spec.name != "extra")
