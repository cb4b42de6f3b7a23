"""Answers: decided by the request alone, readable, ended by what the request says."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorrt_llm._emulation.answers import Vocabulary, answer_tokens, token_logprobs

from tests.harness.engine.kit import END, PROMPT, choice, decode, vocabulary

PROMPTS = st.lists(st.integers(0, 5000), min_size=1, max_size=50)


def grown(**wishes: Any) -> Any:
    """Return a choice that has come to its end."""
    one = choice(**wishes)
    while not one.finished:
        one.grow()
    return one.output


def first(count: int, **wishes: Any) -> list[int | None]:
    tokens = answer_tokens(vocabulary(), wishes.pop("prompt", PROMPT), **wishes)
    return list(itertools.islice(tokens, count))


@given(prompt=PROMPTS, seed=st.integers(0, 2**31))
def test_at_temperature_zero_the_seed_has_no_say(prompt: list[int], seed: int) -> None:
    assert first(50, prompt=prompt, seed=seed, temperature=0.0) == first(50, prompt=prompt)


@given(prompt=PROMPTS, seed=st.integers(0, 2**31))
def test_the_same_seed_gives_the_same_answer(prompt: list[int], seed: int) -> None:
    once = first(50, prompt=prompt, seed=seed, temperature=0.7)

    assert once == first(50, prompt=prompt, seed=seed, temperature=0.7)


def test_another_seed_prompt_or_choice_gives_another_answer() -> None:
    answers = [
        first(50, seed=1, temperature=0.7),
        first(50, seed=2, temperature=0.7),
        first(50, seed=1, temperature=0.7, choice=1),
        first(50, seed=1, temperature=0.7, prompt=(7, 8, 9)),
        first(50),
    ]

    assert len({tuple(answer) for answer in answers}) == len(answers)


def test_an_answer_is_sentences() -> None:
    text = grown(max_tokens=500).text

    assert text[0].isupper()
    assert text.endswith((".", "?"))
    assert "\ufffd" not in text


@given(prompt=PROMPTS, short=st.integers(1, 40), more=st.integers(0, 40))
def test_more_tokens_continue_the_shorter_answer(prompt: list[int], short: int, more: int) -> None:
    shorter = grown(prompt=prompt, max_tokens=short, ignore_eos=True).token_ids

    assert (
        grown(prompt=prompt, max_tokens=short + more, ignore_eos=True).token_ids[:short] == shorter
    )


def test_max_tokens_ends_an_answer_by_length() -> None:
    output = grown(max_tokens=5)

    assert (output.finish_reason, len(output.token_ids)) == ("length", 5)


def test_an_answer_ends_by_itself_without_its_end_token() -> None:
    output = grown(max_tokens=1000)

    assert output.finish_reason == "stop"
    assert END not in output.token_ids


def test_ignore_eos_goes_on_to_max_tokens() -> None:
    output = grown(max_tokens=1000, ignore_eos=True)

    assert (output.finish_reason, len(output.token_ids)) == ("length", 1000)


def test_min_tokens_keeps_an_answer_from_ending() -> None:
    natural = len(grown(max_tokens=5000).token_ids)

    assert len(grown(max_tokens=5000, min_tokens=natural + 1).token_ids) > natural


def test_a_stop_token_is_not_part_of_the_answer() -> None:
    third = grown(max_tokens=10).token_ids[2]

    output = grown(max_tokens=10, stop_token_ids=[third])

    assert output.finish_reason == "stop"
    assert output.stop_reason == third
    assert third not in output.token_ids


@pytest.mark.parametrize("included", [False, True])
def test_a_stop_string_cuts_the_text(included: bool) -> None:
    word = decode(grown(max_tokens=10).token_ids[3:4])

    output = grown(max_tokens=50, stop=word, include_stop_str_in_output=included)

    assert output.stop_reason == word
    assert output.text.endswith(word) is included


def test_logprobs_name_the_chosen_token_first() -> None:
    output = grown(max_tokens=8, logprobs=3)

    assert [next(iter(place)) for place in output.logprobs] == output.token_ids
    assert all(len(place) == 3 for place in output.logprobs)
    assert output.cumulative_logprob == pytest.approx(
        sum(
            place[token].logprob
            for place, token in zip(output.logprobs, output.token_ids, strict=True)
        )
    )


def test_logprobs_are_negative_and_fall() -> None:
    values = list(token_logprobs(PROMPT, 4, token=99, vocabulary_size=1000, top=5).values())

    assert values == sorted(values, reverse=True)
    assert max(values) < 0


def test_a_tokenizer_without_the_words_is_refused(tmp_path: Any) -> None:
    (tmp_path / "tokenizer.json").write_text('{"model": {"vocab": {"a": 1}}}')

    with pytest.raises(ValueError, match="lacks words"):
        Vocabulary.from_folder(tmp_path)
