"""What is asked of a server: a request that can be sent, saved and judged.

A :class:`ChatRequest` or a :class:`CompletionRequest` is a good request in the words of OpenAI's
API. A :class:`RawRequest` is any bytes at all: what no good client would send.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from typing_extensions import Self

CHAT_PATH = "/v1/chat/completions"
COMPLETIONS_PATH = "/v1/completions"
JSON_TYPE = "application/json"


@dataclass(frozen=True)
class _Generation:
    """The members that both kinds of completion share.

    ``None`` means "not sent". ``extra`` holds any other member of the body, such as ``stop``,
    ``n``, ``ignore_eos`` or Dynamo's ``nvext``.
    """

    kind: ClassVar[str]
    path: ClassVar[str]
    chunk_object: ClassVar[str]
    """Value of ``object`` in every chunk of a stream."""
    whole_object: ClassVar[str]
    """Value of ``object`` in an answer in one piece."""
    method: ClassVar[str] = "POST"
    content_type: ClassVar[str] = JSON_TYPE

    model: str
    max_tokens: int | None = None
    temperature: float | None = None
    seed: int | None = None
    stream: bool = False
    stream_options: Mapping[str, Any] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def _names(cls) -> tuple[str, ...]:
        return tuple(spec.name for spec in fields(cls) if spec.name != "extra")

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Self:
        """Return the request that :meth:`body` would turn into ``body``."""
        names = cls._names()
        known = {key: value for key, value in body.items() if key in names}
        return cls(**known, extra={key: body[key] for key in body if key not in names})

    def body(self) -> dict[str, Any]:
        """Return the JSON body to send; ``stream`` is always said, other members only when set."""
        named = {name: getattr(self, name) for name in self._names()}
        return {key: value for key, value in named.items() if value is not None} | dict(self.extra)

    def content(self) -> bytes:
        """Return the bytes to send."""
        return json.dumps(self.body()).encode()

    def streamed(self, *, usage: bool = False) -> Self:
        """Return the same request as a stream, with a usage chunk at the end if ``usage``."""
        options = {"include_usage": True} if usage else None
        return replace(self, stream=True, stream_options=options)

    def unary(self) -> Self:
        """Return the same request for one whole answer (``stream_options`` would be refused)."""
        return replace(self, stream=False, stream_options=None)

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
    def stops(self) -> tuple[str, ...]:
        """The stop strings; OpenAI takes one, or a list."""
        stop = self.extra.get("stop") or ()
        return (stop,) if isinstance(stop, str) else tuple(stop)

    @property
    def top_logprobs(self) -> int | None:
        """How many alternatives every token has to come with; ``None``: no logprobs asked for."""
        raise NotImplementedError

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
        return bool(ignores_eos) and not self.stops

    @property
    def annotations(self) -> frozenset[str]:
        """Names of the extra ``event:`` blocks asked of Dynamo (``nvext.annotations``)."""
        return frozenset(self.extra.get("nvext", {}).get("annotations", ()))


@dataclass(frozen=True)
class ChatRequest(_Generation):
    """One request for a chat completion, in the words of OpenAI's API."""

    kind: ClassVar[str] = "chat"
    path: ClassVar[str] = CHAT_PATH
    chunk_object: ClassVar[str] = "chat.completion.chunk"
    whole_object: ClassVar[str] = "chat.completion"

    messages: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def ask(cls, model: str, text: str, **options: Any) -> ChatRequest:
        """Return a request with one user message; ``options`` are the other fields."""
        return cls(model=model, messages=({"role": "user", "content": text},), **options)

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Self:
        """Return the request that :meth:`body` would turn into ``body``."""
        return super().from_body({**body, "messages": tuple(body["messages"])})

    def body(self) -> dict[str, Any]:
        """Return the JSON body to send."""
        whole = super().body()
        messages = whole["messages"]  # a wrong one, if `extra` has it
        return whole | {"messages": list(messages) if isinstance(messages, tuple) else messages}

    def naming_workers(self) -> ChatRequest:
        """Return the same request, asking Dynamo to name the workers that served it (``nvext``)."""
        nvext = dict(self.extra.get("nvext", {}))
        nvext["extra_fields"] = [*nvext.get("extra_fields", []), "worker_id"]
        return replace(self, extra={**self.extra, "nvext": nvext})

    @property
    def top_logprobs(self) -> int | None:
        """``top_logprobs`` where ``logprobs`` is true."""
        return int(self.extra.get("top_logprobs") or 0) if self.extra.get("logprobs") else None


@dataclass(frozen=True)
class CompletionRequest(_Generation):
    """One request for a plain completion, in the words of OpenAI's API."""

    kind: ClassVar[str] = "completion"
    path: ClassVar[str] = COMPLETIONS_PATH
    chunk_object: ClassVar[str] = "text_completion"
    whole_object: ClassVar[str] = "text_completion"

    prompt: str = ""

    @property
    def top_logprobs(self) -> int | None:
        """The number that ``logprobs`` is."""
        asked = self.extra.get("logprobs")
        return None if asked is None else int(asked)


GenerationRequest = ChatRequest | CompletionRequest


@dataclass(frozen=True)
class RawRequest:
    """Any request at all; its answer can be judged as a refusal only."""

    kind: ClassVar[str] = "raw"

    method: str
    path: str
    data: bytes = field(default=b"", repr=False)
    content_type: str = JSON_TYPE

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> RawRequest:
        """Return the request that :meth:`body` would turn into ``body``."""
        data = str(body["data"]).encode("utf-8", "surrogateescape") * int(body["times"])
        return cls(body["method"], body["path"], data, body["content_type"])

    def body(self) -> dict[str, Any]:
        """Return what of it is saved; one byte over and over is saved as such."""
        uniform = len(self.data) > 1 and self.data == self.data[:1] * len(self.data)
        data, times = (self.data[:1], len(self.data)) if uniform else (self.data, 1)
        text = data.decode("utf-8", "surrogateescape")
        names = {"method": self.method, "path": self.path, "content_type": self.content_type}
        return {**names, "data": text, "times": times}

    def content(self) -> bytes:
        """Return the bytes to send."""
        return self.data


Request = ChatRequest | CompletionRequest | RawRequest
KINDS: Mapping[str, type[Request]] = {
    each.kind: each for each in (ChatRequest, CompletionRequest, RawRequest)
}
