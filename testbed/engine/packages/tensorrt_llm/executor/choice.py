"""One choice of an answer as it grows, and how it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._emulation.answers import Vocabulary, answer_tokens, token_logprobs
from ..disaggregated_params import DisaggregatedParams
from ..sampling_params import SamplingParams

Decode = Callable[[Sequence[int]], str]


@dataclass
class Logprob:
    """Log probability of one token, and its rank among all."""

    logprob: float
    rank: int | None = None


@dataclass
class CompletionOutput:
    """One choice as callers see it; token_ids grow from one look to the next."""

    index: int
    text: str = ""
    token_ids: list[int] = field(default_factory=list)
    cumulative_logprob: float | None = None
    logprobs: list[dict[int, Logprob]] | None = None
    prompt_logprobs: list[Any] = field(default_factory=list)
    finish_reason: str | None = None
    stop_reason: int | str | None = None
    generation_logits: Any = None
    additional_context_outputs: Any = None
    additional_generation_outputs: Any = None
    disaggregated_params: DisaggregatedParams | None = None
    request_perf_metrics: Any = None

    @property
    def length(self) -> int:
        """Tokens so far."""
        return len(self.token_ids)


class Choice:
    """Grows one :class:`CompletionOutput` token by token until something ends it."""

    def __init__(
        self,
        index: int,
        vocabulary: Vocabulary,
        prompt: Sequence[int],
        *,
        params: SamplingParams,
        max_tokens: int,
        end_ids: Sequence[int],
        decode: Decode | None,
    ) -> None:
        self.output = CompletionOutput(index)
        self._prompt = prompt
        self._params = params
        self._max_tokens = max_tokens
        self._vocabulary = vocabulary
        self._source = self._answer()
        self._end_ids = () if params.ignore_eos else tuple(end_ids)
        self._stop_ids = frozenset(params.stop_token_ids or ())
        self._decode = decode if params.stop_strings() or params.detokenize else None
        if params.logprobs is not None:
            self.output.logprobs = []
            self.output.cumulative_logprob = 0.0

    @property
    def finished(self) -> bool:
        """Whether it has ended."""
        return self.output.finish_reason is not None

    def grow(self) -> None:
        """Add the next token, or end."""
        self._take(self._next_token())

    def resume(
        self, prompt: Sequence[int], first: int, *, logprobs: dict[int, Logprob] | None = None
    ) -> None:
        """Start over with a prompt, whose answer's first token is known, perhaps with logprobs."""
        self._prompt = prompt
        self._source = self._answer()
        next(self._source)
        self._take(first)
        if logprobs and self.output.logprobs:
            self.output.logprobs[0] = logprobs
            if first in logprobs:
                self.output.cumulative_logprob = logprobs[first].logprob

    def _answer(self) -> Iterator[int | None]:
        params = self._params
        return answer_tokens(
            self._vocabulary,
            self._prompt,
            seed=params.seed,
            temperature=params.temperature,
            choice=self.output.index,
        )

    def _take(self, token: int) -> None:
        """Add a token, or end because of it."""
        may_stop = len(self.output.token_ids) >= (self._params.min_tokens or 0)
        if token in self._end_ids and may_stop:
            self._end("stop", None)
            return
        if token in self._stop_ids and may_stop:
            self._end("stop", token)
            return
        self._add(token)
        if self._stops_at_string() and may_stop:
            return
        if len(self.output.token_ids) >= self._max_tokens:
            self._end("length", None)

    def cancel(self) -> None:
        """End as the caller wished."""
        if not self.finished:
            self._end("cancelled", None)

    def _next_token(self) -> int:
        """Take the next token; where the answer would end by itself, that is the end token."""
        token = next(self._source)
        if token is not None:
            return token
        may_end = self._end_ids and len(self.output.token_ids) >= (self._params.min_tokens or 0)
        return self._end_ids[0] if may_end else self._next_token()

    def _add(self, token: int) -> None:
        place = len(self.output.token_ids)
        self.output.token_ids.append(token)
        if self.output.logprobs is not None and self._params.logprobs is not None:
            values = token_logprobs(
                self._prompt,
                place,
                token,
                vocabulary_size=self._vocabulary.size,
                top=max(1, self._params.logprobs),
            )
            self.output.logprobs.append(
                {t: Logprob(v, rank) for rank, (t, v) in enumerate(values.items(), 1)}
            )
            self.output.cumulative_logprob = (self.output.cumulative_logprob or 0.0) + values[token]

    def _stops_at_string(self) -> bool:
        strings = self._params.stop_strings()
        if not strings or self._decode is None:
            return False
        text = self._decode(self.output.token_ids)
        for stop in strings:
            at = text.find(stop)
            if at >= 0:
                self._end("stop", stop)
                self.output.text = (
                    text[: at + len(stop)] if self._params.include_stop_str_in_output else text[:at]
                )
                return True
        return False

    def _end(self, reason: str, stop_reason: int | str | None) -> None:
        self.output.finish_reason = reason
        self.output.stop_reason = stop_reason
        if self._decode is not None:
            self.output.text = self._decode(self.output.token_ids)
