"""Cycles of one deployment: what counts as drift, and how they are shown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.cycles import MEMORY_MIB, Cycle, drift, table

CALM = Cycle(
    number=1, ready_s=9.0, load_s=2.0, stop_s=6.0, shm_entries=0, shm_used_mib=0,
    memory_available_mib=20_000, gpu_used_mib=4, left=0,
)  # fmt: skip


def cycles(**last: float) -> list[Cycle]:
    """Return nine calm cycles, the last three of which are changed."""
    calm = [replace(CALM, number=number) for number in range(1, 7)]
    return [*calm, *(replace(CALM, number=n, **last) for n in (7, 8, 9))]  # type: ignore[arg-type]


def test_equal_cycles_do_not_drift() -> None:
    assert drift(cycles(), nodes=1) == []


def test_one_cycle_cannot_drift() -> None:
    assert drift([CALM], nodes=1) == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"ready_s": 14.0}, "ready grew from 9.0 s to 14.0 s (medians of 3 cycles)"),
        ({"stop_s": 12.0}, "stop grew from 6.0 s to 12.0 s (medians of 3 cycles)"),
        (
            {"shm_entries": 1},
            "1 more entries in /dev/shm after the last cycle than after",
        ),
        ({"shm_used_mib": 3}, "3 more MiB used in /dev/shm after"),
        ({"gpu_used_mib": 604}, "600 more MiB of GPU memory in use after"),
        ({"memory_available_mib": 19_000}, "1000 more MiB of host memory in use after"),
        ({"left": 2}, "2 more things left in a cycle"),
    ],
)
def test_what_grows_is_told(changed: dict[str, float], words: str) -> None:
    [told] = drift(cycles(**changed), nodes=1)

    assert told.startswith(words)


@pytest.mark.parametrize(
    "changed",
    [
        {"ready_s": 12.0},
        {"load_s": 3.9},
        {"memory_available_mib": 20_000 - MEMORY_MIB},
        {"gpu_used_mib": 0},
    ],
)
def test_noise_is_no_drift(changed: dict[str, float]) -> None:
    assert drift(cycles(**changed), nodes=1) == []


def test_one_slow_cycle_is_no_drift() -> None:
    slow = [*cycles()[:-1], replace(CALM, number=9, ready_s=60.0)]

    assert drift(slow, nodes=1) == []


def test_the_table_has_a_line_for_each_cycle() -> None:
    head, *rows = table(cycles())

    assert head.split()[:2] == ["cycle", "ready"]
    assert [row.split()[0] for row in rows] == [str(number) for number in range(1, 10)]
    assert len({len(line) for line in (head, *rows)}) == 1
