"""How far the ranks of a worker are, from the lines they write."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.dynamo.load_progress import LoadProgress
from harness.logs import LogLine, parse_line


def announced(rank: int, size: int = 16, word: str = "rank") -> str:
    kind = "leader" if rank == 0 else "worker"
    return f"{rank:2}: {word}{rank} run mgmn {kind} node with mpi_world_size: {size} ..."


def loaded(rank: int, seconds: str = "55.42") -> str:
    return f"{rank:2}: [TRT-LLM] [RANK {rank}] [I] Model init total -- {seconds}s"


def lines(*raws: str) -> list[LogLine]:
    return [parse_line(number, raw) for number, raw in enumerate(raws, start=1)]


@pytest.fixture
def progress() -> LoadProgress:
    return LoadProgress(16)


def test_each_rank_announces_the_world_size(progress: LoadProgress) -> None:
    progress.add(lines(*[announced(rank) for rank in range(16)]))

    assert progress.world_size_lines == {(rank, 16): 1 for rank in range(16)}
    assert progress.started == set(range(16))
    assert progress.leaders == [0]


def test_a_rank_that_announces_itself_twice_is_counted_twice(progress: LoadProgress) -> None:
    progress.add(lines(announced(3), announced(3)))

    assert progress.world_size_lines[3, 16] == 2


def test_sixteen_worlds_of_one_are_not_one_of_sixteen(progress: LoadProgress) -> None:
    alone = "rank0 run mgmn leader node with mpi_world_size: 1 ..."
    progress.add(lines(*[f"{label}: {alone}" for label in range(16)]))

    assert progress.world_size_lines == {(0, 1): 16}
    assert len(progress.leaders) == 16


def test_older_releases_write_rank_with_a_capital(progress: LoadProgress) -> None:
    progress.add(lines(announced(7, word="Rank")))

    assert progress.started == {7}


def test_the_load_time_of_each_rank_is_read(progress: LoadProgress) -> None:
    progress.add(lines(loaded(0, "55.42"), loaded(9, "7")))

    assert progress.load_seconds == {0: 55.42, 9: 7.0}


@given(st.sets(st.integers(0, 15)))
def test_every_rank_is_either_loaded_or_missing(ranks: set[int]) -> None:
    progress = LoadProgress(16)
    progress.add(lines(*[loaded(rank) for rank in ranks]))

    assert progress.loaded == ranks
    assert progress.missing == sorted(set(range(16)) - ranks)


@pytest.mark.parametrize(
    ("started", "finished", "summary"),
    [
        ([], [], "0 of 16 ranks started"),
        ([0, 1], [], "2 of 16 ranks started, none loaded"),
        (range(16), range(15), "15 of 16 ranks loaded, missing 15"),
        ([], set(range(16)) - {3, 9, 14}, "13 of 16 ranks loaded, missing 3, 9, 14"),
        (range(16), range(16), "16 of 16 ranks loaded"),
    ],
)
def test_the_summary_is_a_phrase_for_a_person(
    progress: LoadProgress, started: Iterable[int], finished: Iterable[int], summary: str
) -> None:
    progress.add(lines(*map(announced, started), *map(loaded, finished)))

    assert progress.summary() == summary


@pytest.mark.parametrize(
    ("raw", "learnt"),
    [
        (announced(3), True),
        (loaded(3), True),
        ("3: loading weights 12 %", False),
        ("srun: launching StepId=2.0 on host node1, 4 tasks: [0-3]", False),
        ("Model init total -- 55.42s", False),
    ],
    ids=["announced", "loaded", "other words", "srun's words", "nobody's words"],
)
def test_it_says_whether_anything_was_learnt(
    progress: LoadProgress, raw: str, learnt: bool
) -> None:
    assert progress.add(lines(raw)) is learnt


def test_the_engine_names_its_version(progress: LoadProgress) -> None:
    progress.add(lines("0: [TensorRT-LLM] TensorRT LLM version: 1.3.0rc22"))

    assert progress.engine_version == "1.3.0rc22"
