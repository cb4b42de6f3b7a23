"""The whole image: built once, found again, repaired. Needs the image's packages in the cache."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.dynamo.scripts.rehearse import read_shard
from testbed.cluster.paths import cache_folder
from testbed.image import ensure_image, ensure_model
from testbed.image.build import ensure_environment

pytestmark = [pytest.mark.testbed, pytest.mark.slow]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache that has the Python environment, by links, and no image."""
    environment = ensure_environment(cache_folder(), log=print)
    folder = tmp_path / "cache" / "image"
    folder.mkdir(parents=True)
    shutil.copytree(environment, folder / environment.name, symlinks=True, copy_function=link)
    shutil.copy(environment.with_name(environment.name + ".json"), folder)
    return folder.parent


def link(source: str, target: str) -> None:
    """Link where the file system can; else copy."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)


def listed(image: Path, pattern: str) -> str:
    """Return what unsquashfs lists of a part of the image."""
    command = ["unsquashfs", "-ll", str(image), pattern]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def test_an_image_is_built_found_again_and_repaired(cache: Path) -> None:
    said: list[str] = []
    image = ensure_image(cache, log=said.append)
    built = len(said)

    assert ensure_image(cache, log=said.append) == image
    assert len(said) == built
    with image.open("r+b") as file:
        file.seek(image.stat().st_size // 2)
        file.write(b"damage")
    assert ensure_image(cache, log=said.append) == image

    assert len(said) > built
    launcher = listed(image, "opt/dynamo/bin/trtllm-llmapi-launch")
    assert "-rwxr-xr-x root/root" in launcher
    assert "-> /usr/bin/python3" in listed(image, "opt/dynamo/bin/python3")


def test_the_model_has_the_layout_of_a_hugging_face_cache(tmp_path: Path) -> None:
    ensure_model(tmp_path / "hf")

    repository = tmp_path / "hf/hub/models--nvidia--DeepSeek-R1-FP4"
    revision = (repository / "refs/main").read_text()
    plain = tmp_path / "models/DeepSeek-R1-FP4"
    assert plain.resolve() == (repository / "snapshots" / revision).resolve()
    assert not plain.readlink().is_absolute()
    assert (plain / "tokenizer.json").is_file()


def test_the_model_has_every_shard_that_its_index_names_in_its_full_length(tmp_path: Path) -> None:
    ensure_model(tmp_path / "hf")

    folder = tmp_path / "models/DeepSeek-R1-FP4"
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    assert sum(
        read_shard(str(folder / name), 61) for name in set(index["weight_map"].values())
    ) == (index["metadata"]["total_size"] - 4096)
