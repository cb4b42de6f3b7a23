"""Pure: the tokens of an answer, decided by prompt, seed and temperature alone.

A model cannot be emulated; what its answers look like from outside can: readable text of some
length, the same for the same request, with an end of its own.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .words import ADJECTIVES, ADVERBS, NAMES, NOUNS, VERBS, past, plural

_SPACE = "\u0120"
"""How a byte-level tokenizer writes the space in front of a word."""

# Upper-case names stand for one word of a class; everything else is itself.
_SENTENCES = tuple(
    line.split()
    for line in (
        "The ADJECTIVE NOUN PAST the ADJECTIVE NOUN near the NOUN .",
        "The ADJECTIVE NOUN PAST ADVERB , and the NOUNS PAST the NOUN .",
        "In the ADJECTIVE NOUN , the NOUN of NAME PAST some NOUNS and many ADJECTIVE NOUNS .",
        "You PAST the NOUN , but the ADJECTIVE NOUNS PAST ADVERB .",
        "When the NOUN PAST , your ADJECTIVE NOUN PAST the NOUN behind the NOUN .",
        "The NOUNS of the ADJECTIVE NOUN PAST for the NOUN .",
        "NAME PAST the ADJECTIVE NOUN while the NOUNS PAST .",
        "Your NOUN PAST the ADJECTIVE NOUN , and NAME PAST ADVERB .",
        "Before the NOUN PAST , the ADJECTIVE NOUNS had PAST the NOUN .",
        "What will you do with the ADJECTIVE NOUN ?",
        "The NOUN PAST that the NOUNS were ADJECTIVE and the NOUN was ADJECTIVE .",
        "Then the NOUN PAST the NOUNS through the ADJECTIVE NOUN .",
    )
)

_SHORTEST_ANSWER = 24
_LONGEST_ANSWER = 400
"""Tokens of an answer that ends by itself, before it finishes its last sentence."""


@dataclass(frozen=True)
class Vocabulary:
    """The words that are one token each, by class, and the ids that carry meaning."""

    classes: Mapping[str, Sequence[int]]
    plain: Mapping[str, int]
    opening: Mapping[str, int]
    """The same words as an answer starts with them: no space in front."""
    size: int

    @classmethod
    def from_folder(cls, folder: Path) -> Vocabulary:
        """Read ``tokenizer.json`` of a model folder.

        Raise ValueError when it has too few usable words.
        """
        content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
        tokens: dict[str, int] = content["model"]["vocab"]
        classes = {
            "NOUN": _ids(tokens, NOUNS),
            "NOUNS": _ids(tokens, map(plural, NOUNS)),
            "PAST": _ids(tokens, map(past, VERBS)),
            "ADJECTIVE": _ids(tokens, ADJECTIVES),
            "ADVERB": _ids(tokens, ADVERBS),
            "NAME": _ids(tokens, NAMES),
        }
        fixed = {word for sentence in _SENTENCES for word in sentence} - set(classes)
        plain = {word: tokens.get(word if word in ".,?" else _SPACE + word) for word in fixed}
        known = {word: token for word, token in plain.items() if token is not None}
        poor = [name for name, ids in classes.items() if len(ids) < 8]
        if poor or len(known) < len(fixed):
            missing = sorted(fixed - set(known)) + poor
            raise ValueError(
                f"{folder}/tokenizer.json lacks words of the emulated engine: {missing}"
            )
        opening = {word: tokens[word] for word in known if word in tokens}
        return cls(classes, known, opening, max(tokens.values()) + 1)


def _ids(
    tokens: Mapping[str, int], words: Sequence[str] | Iterator[str] | map[str]
) -> tuple[int, ...]:
    return tuple(tokens[_SPACE + word] for word in words if _SPACE + word in tokens)


def _generator(
    prompt: Sequence[int], *, seed: int | None, temperature: float | None, choice: int
) -> random.Random:
    """At temperature 0 (or none given) the seed has no say, as with greedy decoding."""
    warm = bool(temperature)
    key = (tuple(prompt), (seed or 0, temperature, choice) if warm else (None, 0, choice))
    return random.Random(repr(key))  # noqa: S311 - text, not a secret


def answer_tokens(
    vocabulary: Vocabulary,
    prompt: Sequence[int],
    *,
    seed: int | None = None,
    temperature: float | None = None,
    choice: int = 0,
) -> Iterator[int | None]:
    """Yield the tokens of an answer without end; ``None`` marks a place where the answer would end.

    A caller that ignores the end goes on and gets more sentences.
    """
    chance = _generator(prompt, seed=seed, temperature=temperature, choice=choice)
    # Most answers are of middling length; a few are very short or very long.
    length = int(math.exp(chance.uniform(math.log(_SHORTEST_ANSWER), math.log(_LONGEST_ANSWER))))
    given = 0
    while True:
        for token in _sentence(vocabulary, chance, opens=given == 0):
            given += 1
            yield token
        if given >= length:
            yield None
            length += given


def _sentence(vocabulary: Vocabulary, chance: random.Random, *, opens: bool) -> Iterator[int]:
    words = chance.choice(
        [line for line in _SENTENCES if line[0] in vocabulary.opening] if opens else _SENTENCES
    )
    for place, word in enumerate(words):
        if word in vocabulary.classes:
            yield chance.choice(vocabulary.classes[word])
        elif opens and place == 0:
            yield vocabulary.opening[word]
        else:
            yield vocabulary.plain[word]


def token_logprobs(
    prompt: Sequence[int], place: int, token: int, vocabulary_size: int, top: int
) -> dict[int, float]:
    """Return made-up but stable log probabilities at one place, the chosen token first.

    ``top`` counts the tokens returned; values are negative and fall with the rank, and their
    probabilities sum to less than 1.
    """
    chance = random.Random(repr((tuple(prompt), place, token)))  # noqa: S311
    share = chance.uniform(0.55, 0.95)
    result = {token: math.log(share)}
    left = 1.0 - share
    while len(result) < top:
        other = chance.randrange(vocabulary_size)
        if other in result:
            continue
        left *= chance.uniform(0.3, 0.6)
        result[other] = math.log(left)
    return result
