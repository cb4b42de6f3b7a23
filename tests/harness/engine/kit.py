"""A vocabulary made of the engine's words, and requests on it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.harness.engine import conftest

PROMPT = (11, 12, 13)
END = 1
__all__ = ["END", "PROMPT", "choice", "conftest", "decode", "vocabulary"]


@lru_cache
def word_ids() -> dict[str, int]:
    """Return a token for each word in the forms a byte-level tokenizer has them."""
    from tensorrt_llm._emulation.words import all_words  # noqa: PLC0415 - on the path by conftest

    words = [
        form
        for word in all_words()
        for form in (f"\u0120{word}", f"\u0120{word.title()}", word.title())
    ]
    return {word: 10 + place for place, word in enumerate(dict.fromkeys([".", ",", "?", *words]))}


@lru_cache
def vocabulary() -> Any:
    """Return a vocabulary as it is read from a model's folder."""
    import json  # noqa: PLC0415

    from tensorrt_llm._emulation.answers import Vocabulary  # noqa: PLC0415

    with TemporaryDirectory() as folder:
        content = {"model": {"vocab": word_ids()}}
        Path(folder, "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
        return Vocabulary.from_folder(Path(folder))


def decode(tokens: Sequence[int]) -> str:
    """Return the text of tokens."""
    names = {token: word.replace("\u0120", " ") for word, token in word_ids().items()}
    return "".join(names[token] for token in tokens)


def choice(*, max_tokens: int = 30, prompt: Sequence[int] = PROMPT, **params: Any) -> Any:
    """Return a choice of an answer to the prompt."""
    from tensorrt_llm.executor.choice import Choice  # noqa: PLC0415
    from tensorrt_llm.sampling_params import SamplingParams  # noqa: PLC0415

    return Choice(
        0,
        vocabulary(),
        prompt,
        params=SamplingParams(**params),
        max_tokens=max_tokens,
        end_ids=(END,),
        decode=decode,
    )
