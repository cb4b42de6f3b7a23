"""Experts in shared memory: one file per layer and local rank, gone only after an orderly end."""

from __future__ import annotations

from pathlib import Path

import pytest
from tensorrt_llm._emulation.shm import ExpertMemory


def ranks(folder: Path, *, layers: int = 3, count: int = 4) -> list[ExpertMemory]:
    return [
        ExpertMemory(layers, local_rank=rank, local_size=count, folder=folder)
        for rank in range(count)
    ]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_every_rank_makes_a_file_per_layer(tmp_path: Path) -> None:
    for rank in ranks(tmp_path):
        rank.create()

    assert names(tmp_path) == {f"moe_shared_l{k}_lr{r}_all" for k in range(3) for r in range(4)}


def test_all_ranks_map_each_others_files(tmp_path: Path) -> None:
    node = ranks(tmp_path)
    for rank in node:
        rank.create()

    for rank in node:
        rank.map_neighbours()
    maps = Path("/proc/self/maps").read_text()

    assert maps.count(str(tmp_path)) == 3 * 4 * 4


def test_a_missing_neighbour_is_an_error(tmp_path: Path) -> None:
    first, *_ = ranks(tmp_path)
    first.create()

    with pytest.raises(FileNotFoundError, match="lr1_all"):
        first.map_neighbours()


def test_each_rank_removes_its_own_files(tmp_path: Path) -> None:
    first, *others = ranks(tmp_path)
    for rank in (first, *others):
        rank.create()

    first.close()
    assert not any("lr0" in name for name in names(tmp_path))
    for rank in others:
        rank.close()

    assert names(tmp_path) == set()


def test_files_can_be_left_though_they_are_not_mapped_any_more(tmp_path: Path) -> None:
    (rank,) = ranks(tmp_path, layers=1, count=1)
    rank.create()

    rank.close(keep_files=True)

    assert names(tmp_path) == {"moe_shared_l0_lr0_all"}
    assert str(tmp_path) not in Path("/proc/self/maps").read_text()


def test_left_files_are_replaced_with_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "moe_shared_l0_lr0_all").write_text("somebody's")

    ranks(tmp_path)[0].create()

    assert "Found exist EPLB shared memory name: moe_shared_l0_lr0_all" in capsys.readouterr().out
    assert (tmp_path / "moe_shared_l0_lr0_all").read_bytes() != b"somebody's"


def test_the_prefix_is_the_callers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRTLLM_EPLB_SHM_NAME", "agg0")

    ranks(tmp_path, layers=1, count=1)[0].create()

    assert names(tmp_path) == {"agg0_l0_lr0_all"}
