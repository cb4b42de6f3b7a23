"""Slips of one letter, and lost lines, anywhere in a shipped config: named, or legal."""

from __future__ import annotations

import re
import string
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.engine_config import check_engine_config, load_engine_config
from harness.errors import EngineConfigError
from harness.settings import PROJECT_ROOT
from tests.harness.pure.engine_config.kit import CONFIGS

FOLDER = CONFIGS / "deepseek_r1"
SHAPES = {
    "wide_ep/wide_ep_agg.yaml": 16,
    "wide_ep/wide_ep_prefill.yaml": 16,
    "wide_ep/wide_ep_decode.yaml": 16,
    "simple/agg.yaml": 4,
}
BARE = {
    name: [
        line
        for line in (FOLDER / name).read_text(encoding="utf-8").splitlines()
        if line.strip() and not line.lstrip().startswith("#")
    ]
    for name in SHAPES
}
KEY = re.compile(r"^( *)(\w+)(:.*)$")
LEGAL_TO_LOSE = {
    "backend",
    "batch_sizes",
    "cache_transceiver_config",
    "cuda_graph_config",
    "disable_overlap_scheduler",
    "dtype",
    "enable_padding",
    "free_gpu_memory_fraction",
    "kv_cache_config",
    "load_balancer",
    "max_batch_size",
    "max_num_tokens",
    "max_seq_len",
    "max_tokens_in_buffer",
    "moe_config",
    "moe_expert_parallel_size",
    "pipeline_parallel_size",
    "print_iter_log",
}
"""Keys whose default works at the recipe's shape, if only as a slower engine."""


def problems_of(name: str, lines: list[str]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "engine.yaml"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        try:
            check_engine_config(
                load_engine_config(path),
                gpus=SHAPES[name],
                resolve=lambda container: PROJECT_ROOT / container.removeprefix("/mnt/"),
            )
        except EngineConfigError as error:
            return str(error)
    return ""


@st.composite
def misspelt(draw: st.DrawFn, word: str) -> str:
    """Draw the word with one letter lost, added, changed, or swapped with the next."""
    slip = draw(st.sampled_from(["lost", "added", "changed", "swapped"]))
    at = draw(st.integers(0, len(word) - 2))
    letter = draw(st.sampled_from(string.ascii_lowercase))
    if slip == "lost":
        return word[:at] + word[at + 1 :]
    if slip == "added":
        return word[:at] + letter + word[at:]
    if slip == "changed":
        return word[:at] + letter + word[at + 1 :]
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


@st.composite
def lines_of_recipes(draw: st.DrawFn) -> tuple[str, int]:
    """Draw a recipe and the index of one of its lines."""
    name = draw(st.sampled_from(sorted(SHAPES)))
    return name, draw(st.integers(0, len(BARE[name]) - 1))


def parts_of(line: str) -> tuple[str, str, str]:
    match = KEY.match(line)
    assert match is not None, line
    return match[1], match[2], match[3]


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_slip_of_one_letter_in_a_key_is_reported_by_name(data: st.DataObject) -> None:
    name, at = data.draw(lines_of_recipes())
    indent, key, rest = parts_of(BARE[name][at])
    slip = data.draw(misspelt(key).filter(lambda word: word != key))

    lines = [*BARE[name]]
    lines[at] = f"{indent}{slip}{rest}"
    assert f"{slip}: " in problems_of(name, lines)


@settings(deadline=None, max_examples=100)
@given(lines_of_recipes())
def test_lost_key_is_reported_by_name_or_legal(place: tuple[str, int]) -> None:
    name, at = place
    indent, key, _ = parts_of(BARE[name][at])
    rest = BARE[name][at + 1 :]
    while rest and len(parts_of(rest[0])[0]) > len(indent):  # a section goes with its keys
        rest.pop(0)

    problems = problems_of(name, [*BARE[name][:at], *rest])
    assert f"{key}: " in problems if problems else key in LEGAL_TO_LOSE | {"enable_attention_dp"}


def test_loss_of_what_wide_ep_cannot_do_without_is_reported() -> None:
    for key in ("tensor_parallel_size", "enable_attention_dp"):
        lines = [line for line in BARE["wide_ep/wide_ep_agg.yaml"] if not line.startswith(key)]
        assert f"{key}: " in problems_of("wide_ep/wide_ep_agg.yaml", lines)
