"""Prompts of a wanted length: the longest that fits, by two measured ones."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.serving.lengths import LONG_WORDS, SHORT_WORDS, LengthRule, PromptRuler, prompt_of


class Model:
    """Counts like a server: each word costs the same, the template some more; keeps the prompts."""

    def __init__(self, per_word: int = 1, overhead: int = 0) -> None:
        self.per_word = per_word
        self.overhead = overhead
        self.asked: list[str] = []

    def __call__(self, prompt: str) -> int:
        """Return the tokens of a prompt."""
        self.asked.append(prompt)
        return self.count(len(prompt.split()))

    def count(self, words: int) -> int:
        """Return the tokens of a prompt of so many words."""
        return self.overhead + words * self.per_word


@given(words=st.integers(1, 300))
def test_prompt_is_one_word_over_and_over(words: int) -> None:
    said = prompt_of(words).split(" ")

    assert len(said) == words
    assert len(set(said)) == 1
    assert said[0].isalpha()


@given(
    per_word=st.integers(1, 20), overhead=st.integers(0, 5000), tokens=st.integers(-100, 100_000)
)
def test_prompt_is_the_longest_that_fits(per_word: int, overhead: int, tokens: int) -> None:
    model = Model(per_word, overhead)
    assume(tokens >= model.count(1))
    words = len(PromptRuler(model).prompt_with(tokens).split())

    assert model.count(words) <= tokens < model.count(words + 1)


@given(
    per_word=st.integers(1, 20), overhead=st.integers(0, 5000), tokens=st.integers(-100, 100_000)
)
def test_prompt_over_a_limit_is_the_shortest_that_is(
    per_word: int, overhead: int, tokens: int
) -> None:
    model = Model(per_word, overhead)
    words = len(PromptRuler(model).prompt_over(tokens).split())

    assert model.count(words) > tokens
    assert words == 1 or model.count(words - 1) <= tokens


@given(per_word=st.integers(1, 20), overhead=st.integers(0, 5000))
def test_rule_tells_the_word_from_the_template(per_word: int, overhead: int) -> None:
    rule = PromptRuler(Model(per_word, overhead)).rule

    assert (rule.tokens_per_word, rule.overhead_tokens) == (per_word, overhead)


@given(short=st.integers(-10, 300), long=st.integers(-10, 300), tokens=st.integers(-10, 5000))
def test_any_two_measurements_give_a_line_or_an_error(short: int, long: int, tokens: int) -> None:
    grown = long - short
    try:
        rule = LengthRule(short, long)
    except HarnessError:
        assert grown <= 0 or 2 * short < grown
        return
    words = rule.words_for(tokens)
    more = tokens - short

    assert grown > 0
    assert (words - SHORT_WORDS) * grown <= more * 100 < (words + 1 - SHORT_WORDS) * grown


def test_two_prompts_are_measured_once_and_only_when_needed() -> None:
    model = Model(2, 7)
    ruler = PromptRuler(model)
    before = list(model.asked)
    ruler.prompt_with(100)
    ruler.prompt_with(1000)

    assert before == []
    assert model.asked == [prompt_of(SHORT_WORDS), prompt_of(LONG_WORDS)]


@pytest.mark.parametrize(
    ("short", "long", "seen"),
    [
        (60, 60, "60 and 60 tokens: 0 a word, 60 for the template"),
        (160, 60, "160 and 60 tokens: -1 a word, 210 for the template"),
        (40, 260, "40 and 260 tokens: 2.2 a word, -70 for the template"),
        (0, 0, "0 and 0 tokens"),
    ],
)
def test_measurements_that_are_no_lengths_are_refused(short: int, long: int, seen: str) -> None:
    answers = iter([short, long])
    with pytest.raises(HarnessError, match=seen):
        PromptRuler(lambda _: next(answers)).prompt_with(100)


def test_template_that_fills_the_prompt_is_told() -> None:
    with pytest.raises(HarnessError, match=r"of 8 tokens; the chat template takes 7 and a word 2"):
        PromptRuler(Model(2, 7)).prompt_with(8)


def test_template_of_nothing_is_not_below_nothing() -> None:
    """50 x 1.1 is more than 55 for a computer, and the template no less than none."""
    assert LengthRule(55, 165).overhead_tokens == 0.0
