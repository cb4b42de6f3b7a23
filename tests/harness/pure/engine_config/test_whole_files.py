"""Files that are no engine config at all, and files with several problems."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.engine_config import load_engine_config
from harness.errors import EngineConfigError
from tests.harness.pure.engine_config.kit import CONFIGS, SOUND, changed, error_of, written


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "engine.yaml:1: expected a mapping of keys, seen an empty file"),
        (b"# nothing but a comment\n", "seen an empty file"),
        (b"- a\n- b\n", "expected a mapping of keys, seen a list"),
        (b"WIDEEP\n", "expected a mapping of keys, seen a str"),
        (b"a: 1\nb: [1, 2\n", "engine.yaml:3: not valid YAML:"),
        (b"a:\n\tb: 1\n", "engine.yaml:2: not valid YAML:"),
        (b"a: 1\n---\nb: 1\n", "engine.yaml:2: not valid YAML:"),
        (b"a: !!python/name:os.system\n", "engine.yaml:1: not valid YAML:"),
        (b"a: 2026-13-40\n", "holds a value YAML cannot read"),
        (b"\xff\xfe\xfa", "not valid YAML"),
        (b"? [a, b]\n: 1\n", "engine.yaml:1: not valid YAML:"),
    ],
)
def test_file_that_is_no_mapping_is_refused_at_once(
    tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "engine.yaml"
    path.write_bytes(content)

    with pytest.raises(EngineConfigError) as caught:
        load_engine_config(path)
    assert words in str(caught.value)


def test_alias_that_holds_itself_is_refused_not_followed(tmp_path: Path) -> None:
    path = written(tmp_path, "moe_config: &a {moe_config: *a}\n")

    assert "moe_config.moe_config: not a key" in error_of(path, gpus=1)


def test_missing_file_names_its_nearest_neighbour() -> None:
    with pytest.raises(EngineConfigError, match="does not exist") as caught:
        load_engine_config(CONFIGS / "deepseek_r1/wide_ep/wide_ep_age.yaml")
    assert "did you mean wide_ep_agg.yaml?" in str(caught.value)


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineConfigError, match=r"there is no folder .*/nowhere"):
        load_engine_config(tmp_path / "nowhere" / "engine.yaml")


def test_folder_in_place_of_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineConfigError, match="cannot be read: Is a directory"):
        load_engine_config(tmp_path)


def test_all_problems_come_in_one_error_in_the_order_of_lines(tmp_path: Path) -> None:
    text = changed(SOUND, "tensor_parallel_size: 16\nmoe", "tensor_parallel_size: 8\nmoe")
    text = changed(text, "enable_padding", "enable_paddin")
    text = changed(text, "WIDEEP", "WIFEEP")

    error = error_of(written(tmp_path, text))
    places = [line.split("engine.yaml:")[1].split(":")[0] for line in error.splitlines()[1:-1]]
    assert "4 problems by the rules" in error
    assert places == ["2", "3", "6", "15"]


def test_misspelt_size_is_reported_once_and_not_as_a_wrong_world_too(tmp_path: Path) -> None:
    text = changed(SOUND, "\ntensor_parallel_size", "\ntensor_paralel_size")

    error = error_of(written(tmp_path, text))
    assert "did you mean tensor_parallel_size?" in error
    assert "1 problem" in error, error
