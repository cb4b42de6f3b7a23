"""The level of a KV cache under load, where the load is over before anybody has looked."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness.dynamo import kv_cache
from harness.dynamo.deployment import Deployment
from harness.dynamo.kv_cache import KvCache


def cache(levels: Iterator[int]) -> KvCache:
    """A cache of one worker that shows one level after the other."""
    metrics = SimpleNamespace(used_blocks=lambda: next(levels))
    deployment: Any = SimpleNamespace(
        workers=[SimpleNamespace(name="agg-0")], metrics_of=lambda _: metrics
    )
    return KvCache(cast(Deployment, deployment), ask=lambda _: pytest.fail("nobody is asked"))


def looks(rounds: list[int], *, raised_in: int) -> Iterator[int]:
    """Show 7 blocks once the round of work with this number has begun, else 2."""
    while True:
        yield 7 if len(rounds) >= raised_in else 2


@pytest.mark.parametrize("raised_in", [1, 3])
def test_the_load_is_repeated_until_a_level_has_risen(raised_in: int) -> None:
    rounds: list[int] = []

    def work() -> list[int]:
        rounds.append(len(rounds))
        return [len(rounds)]

    results, peak = cache(looks(rounds, raised_in=raised_in)).peak_under(work, above={"agg-0": 2})

    assert results == list(range(1, len(rounds) + 1))
    assert len(rounds) >= raised_in
    assert peak == {"agg-0": 7}


def test_a_level_that_never_rises_is_told_when_the_time_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kv_cache, "SETTLE_S", 0.05)
    never = looks([], raised_in=1)

    results, peak = cache(never).peak_under(lambda: ["done"], above={"agg-0": 2})

    assert set(results) == {"done"}
    assert peak == {"agg-0": 2}
