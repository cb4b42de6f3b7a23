"""The load balancer of an engine config, in its own file or in place."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.engine_config import MoeModel, check_engine_config, load_engine_config
from harness.errors import EngineConfigError
from tests.harness.pure.engine_config.kit import SOUND, changed, error_of, resolve, written


@pytest.mark.parametrize(
    ("balancer", "words"),
    [
        ("num_slots: 290\n", [":1: num_slots: expected a multiple of 16", "304 is one", "(290)"]),
        ("num_slots: 128\n", [":1: num_slots: expected at least 256, the experts of DeepSeek-R1"]),
        ("layer_updates_per_iter: 1\n", ["num_slots: expected at least 256", "no such key"]),
        ("num_slot: 288\n", [":1: num_slot: not a key", "did you mean num_slots?"]),
        ("num_slots: many\n", ["num_slots: expected a valid integer"]),
        ("num_slots: 288\nlayer_updates_per_iter: -1\n", [":2: layer_updates_per_iter: expected"]),
        (
            "num_slots: 288\ninitial_global_assignments: {3: [0]}\n",
            ["expected 288 experts, as many"],
        ),
        ("", ["expected a mapping of keys, seen an empty file"]),
    ],
)
def test_broken_balancer_is_named_in_its_own_file(
    tmp_path: Path, balancer: str, words: list[str]
) -> None:
    eplb = written(tmp_path, balancer, name="balancer.yaml")
    path = written(tmp_path, SOUND)

    with pytest.raises(EngineConfigError) as caught:
        check_engine_config(load_engine_config(path), gpus=16, resolve=lambda _: eplb)
    text = str(caught.value)
    assert [word for word in [*words, str(eplb)] if word not in text] == [], text
    assert "1 problem by the rules" in text, text


def test_balancer_written_in_place_is_checked_with_its_lines(tmp_path: Path) -> None:
    old = "load_balancer: /mnt/engine_configs/deepseek_r1/wide_ep/eplb.yaml"
    text = changed(SOUND, old, "load_balancer:\n    num_slots: 257")

    assert "engine.yaml:8: num_slots: expected a multiple" in error_of(written(tmp_path, text))


def test_proposed_number_of_slots_holds_all_experts(tmp_path: Path) -> None:
    eplb = written(tmp_path, "num_slots: 130\n", name="balancer.yaml")
    config = load_engine_config(written(tmp_path, SOUND))

    with pytest.raises(EngineConfigError, match="2 problems") as caught:
        check_engine_config(config, gpus=16, resolve=lambda _: eplb)
    assert "256 is one" in str(caught.value)


def test_288_slots_do_not_serve_64_ranks(tmp_path: Path) -> None:
    text = SOUND.replace("16", "64")

    error = error_of(written(tmp_path, text), gpus=64)
    assert "eplb.yaml:6: num_slots: expected a multiple of 64" in error
    assert "320 is one" in error


def test_another_model_brings_its_own_number_of_experts(tmp_path: Path) -> None:
    config = load_engine_config(written(tmp_path, SOUND))

    with pytest.raises(EngineConfigError, match="at least 384, the experts of Other, seen 288"):
        check_engine_config(
            config, gpus=16, resolve=resolve, model=MoeModel("Other", experts=384, top_k=8)
        )
