"""Prefill and decode configs: the shipped pair goes together; each way to break it is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.engine_config import check_prefill_decode_pair, load_engine_config
from harness.errors import EngineConfigError
from tests.harness.pure.engine_config.kit import CONFIGS

FOLDER = CONFIGS / "deepseek_r1/wide_ep"
PREFILL = FOLDER / "wide_ep_prefill.yaml"
DECODE = FOLDER / "wide_ep_decode.yaml"


def test_shipped_pair_goes_together() -> None:
    check_prefill_decode_pair(
        load_engine_config(PREFILL), load_engine_config(DECODE), prompt_tokens=8192
    )


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("dtype: fp8", "dtype: auto", "kv_cache_config.dtype: expected fp8, as in wide_ep_prefill"),
        ("backend: UCX", "backend: NIXL", "cache_transceiver_config.backend: expected UCX, as in"),
        ("backend: UCX", "backend: DEFAULT", "expected a transceiver by its name, such as UCX"),
        ("16384", "4096", "max_tokens_in_buffer: expected at least 8192"),
    ],
)
def test_broken_pair_is_named(tmp_path: Path, *, old: str, new: str, words: str) -> None:
    text = DECODE.read_text(encoding="utf-8")
    decode = tmp_path / "decode.yaml"
    decode.write_text(text.replace(old, new), encoding="utf-8")

    with pytest.raises(EngineConfigError) as caught:
        check_prefill_decode_pair(
            load_engine_config(PREFILL), load_engine_config(decode), prompt_tokens=8192
        )
    assert words in str(caught.value)


def test_pair_without_a_transceiver_is_refused_for_both(tmp_path: Path) -> None:
    decode = tmp_path / "decode.yaml"
    decode.write_text("kv_cache_config: {dtype: fp8}\n", encoding="utf-8")
    config = load_engine_config(decode)

    with pytest.raises(EngineConfigError, match="2 problems"):
        check_prefill_decode_pair(config, config)
