"""Prompts of a wanted length in tokens, without a tokenizer: two answers' usage gives the rule.

A plain word, over and over, costs the same number of tokens each time, and the chat template adds
its own once: the length of a prompt is a straight line over its number of words.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from harness.errors import HarnessError

WORD = "river"
SHORT_WORDS = 50
LONG_WORDS = 150
"""Far enough apart to tell the word from the template, and short for any engine config."""


def prompt_of(words: int) -> str:
    """Return a prompt of ``words`` times one plain word."""
    return " ".join([WORD] * words)


@dataclass(frozen=True)
class LengthRule:
    """Two measured prompts, and the straight line through them; lengths are in tokens.

    Raises :class:`HarnessError` where no prompt grows like that.
    """

    short_tokens: int
    long_tokens: int

    def __post_init__(self) -> None:
        if not self.tokens_per_word > 0 or self.overhead_tokens < 0:
            raise HarnessError(
                f"expected prompts of {SHORT_WORDS} and {LONG_WORDS} words to cost tokens by the "
                f"word, and the chat template not less than none; seen {self.short_tokens} and "
                f"{self.long_tokens} tokens: {self.tokens_per_word:g} a word, "
                f"{self.overhead_tokens:g} for the template",
                hint="usage.prompt_tokens of the answers is what was read",
            )

    @property
    def tokens_per_word(self) -> float:
        """What one more word costs."""
        return (self.long_tokens - self.short_tokens) / (LONG_WORDS - SHORT_WORDS)

    @property
    def overhead_tokens(self) -> float:
        """What the chat template adds to any prompt."""
        # one division, at the end: 55 - 50 * 1.1 is below 0
        grown = SHORT_WORDS * (self.long_tokens - self.short_tokens)
        return (self.short_tokens * (LONG_WORDS - SHORT_WORDS) - grown) / (LONG_WORDS - SHORT_WORDS)

    def words_for(self, tokens: int) -> int:
        """Return the most words that cost at most ``tokens``; below 1 when there is no room."""
        # in whole numbers: a rounding error here is a prompt that is one token too long
        more = (tokens - self.short_tokens) * (LONG_WORDS - SHORT_WORDS)
        return SHORT_WORDS + more // (self.long_tokens - self.short_tokens)


class PromptRuler:
    """Makes prompts of a wanted length for one model.

    ``ask`` sends a prompt and returns ``usage.prompt_tokens`` of the answer; it is called twice,
    when the first length is wanted.
    """

    def __init__(self, ask: Callable[[str], int]) -> None:
        self._ask = ask

    @cached_property
    def rule(self) -> LengthRule:
        """What was measured; raises :class:`HarnessError` when that is no straight line."""
        return LengthRule(self._ask(prompt_of(SHORT_WORDS)), self._ask(prompt_of(LONG_WORDS)))

    def prompt_with(self, tokens: int) -> str:
        """Return the longest prompt of at most ``tokens`` tokens, chat template included.

        Exact where each word costs the same, which the answer's own usage can confirm. Raises
        :class:`HarnessError` when not even one word has room.
        """
        words = self.rule.words_for(tokens)
        if words < 1:
            raise HarnessError(
                f"expected room for a word in a prompt of {tokens} tokens; the chat template takes "
                f"{self.rule.overhead_tokens:g} and a word {self.rule.tokens_per_word:g}"
            )
        return prompt_of(words)

    def prompt_over(self, tokens: int) -> str:
        """Return the shortest prompt of more than ``tokens`` tokens."""
        return prompt_of(max(1, self.rule.words_for(tokens) + 1))
