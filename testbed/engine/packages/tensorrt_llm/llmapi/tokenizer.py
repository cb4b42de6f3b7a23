"""The model's tokenizer, straight from its files."""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .._emulation.model_files import resolve_model


class HuggingFaceTokenizer:
    """What callers use of a Hugging Face tokenizer, without the weight of transformers."""

    def __init__(self, folder: Path) -> None:
        path = folder / "tokenizer.json"
        if not path.is_file():
            raise OSError(f"Can't load tokenizer for '{folder}': it has no tokenizer.json")
        self.name_or_path = str(folder)
        self.backend_tokenizer: Any = importlib.import_module("tokenizers").Tokenizer.from_file(
            str(path)
        )
        config_path = folder / "tokenizer_config.json"
        self._config: dict[str, Any] = (
            json.loads(config_path.read_text()) if config_path.is_file() else {}
        )
        self.vocab_size: int = self.backend_tokenizer.get_vocab_size()
        self.bos_token_id = self._id_of("bos_token")
        self.eos_token_id = self._id_of("eos_token")
        self.pad_token_id = self._id_of("pad_token")

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        """Return the token ids of a text."""
        ids: list[int] = self.backend_tokenizer.encode(
            text, add_special_tokens=add_special_tokens
        ).ids
        return ids

    def decode(self, token_ids: Sequence[int], *, skip_special_tokens: bool = True) -> str:
        """Return the text of token ids."""
        text: str = self.backend_tokenizer.decode(
            list(token_ids), skip_special_tokens=skip_special_tokens
        )
        return text

    def _id_of(self, name: str) -> int | None:
        token = self._config.get(name)
        token = token.get("content") if isinstance(token, dict) else token
        return None if token is None else self.backend_tokenizer.token_to_id(token)


class TokenizerBase:
    """What every tokenizer of the LLM API is."""


class TransformersTokenizer(TokenizerBase):
    """The LLM API's tokenizer; ``tokenizer`` is the Hugging Face one inside."""

    def __init__(self, tokenizer: HuggingFaceTokenizer) -> None:
        self.tokenizer = tokenizer

    @classmethod
    def from_pretrained(cls, pretrained_model_dir: str | Path, **_: Any) -> TransformersTokenizer:
        """Load from a folder, or by name from the Hugging Face cache."""
        return cls(HuggingFaceTokenizer(resolve_model(pretrained_model_dir)))

    @property
    def eos_token_id(self) -> int | None:
        """The end token's id."""
        return self.tokenizer.eos_token_id

    @property
    def pad_token_id(self) -> int | None:
        """The padding token's id."""
        return self.tokenizer.pad_token_id

    def encode(self, text: str, **options: Any) -> list[int]:
        """Return the token ids of a text."""
        return self.tokenizer.encode(text, **options)

    def decode(self, token_ids: Sequence[int], **options: Any) -> str:
        """Return the text of token ids."""
        return self.tokenizer.decode(token_ids, **options)


def tokenizer_factory(obj: Any = None, **options: Any) -> TokenizerBase | None:
    """Return a tokenizer for a folder, a name, or a tokenizer that is one already."""
    if obj is None or isinstance(obj, TokenizerBase):
        return obj
    return TransformersTokenizer.from_pretrained(obj, **options)
