"""Tests whose outcome changed while nothing that was tested did. A retry is not a pass. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.judge_run import TestState
from harness.qualification.history import PastRun

COUNTED = (str(TestState.PASSED), str(TestState.FAILED))
"""What says anything about a test; one that was cut, skipped or not run has said nothing."""

UNKNOWN = ("", "unknown")


@dataclass(frozen=True)
class Flake:
    """A test that passed and failed on the same commit, image and engine configs.

    ``outcomes`` are those of ``runs``, in the order of the history.
    """

    test: str
    commit: str
    image: str
    runs: tuple[str, ...]
    outcomes: tuple[str, ...]

    @property
    def failed(self) -> int:
        """In how many of the runs it failed."""
        return self.outcomes.count(str(TestState.FAILED))


def flakes(runs: Sequence[PastRun]) -> tuple[Flake, ...]:
    """Return the flaky tests, those that failed in the largest share of their runs first.

    Runs of a dirty or unknown commit are left out: two of them need not be the same.
    """
    found = [flake for group in _alike(runs).values() for flake in _of_group(group)]
    return tuple(sorted(found, key=lambda flake: -flake.failed / len(flake.runs)))


def _alike(runs: Iterable[PastRun]) -> Mapping[tuple[str, ...], list[PastRun]]:
    """Group runs of the same thing: commit, image, release, model, engine, engine configs."""
    groups: dict[tuple[str, ...], list[PastRun]] = {}
    for run in runs:
        commit = run.facts.get("suite_commit", "")
        if commit in UNKNOWN or commit.endswith("-dirty"):
            continue
        configs = sorted(f"{k}={v}" for k, v in run.facts.items() if k.startswith("engine_config_"))
        names = ("suite_commit", "image", "dynamo_release", "model", "engine")
        key = (*(run.facts.get(name, "") for name in names), *configs)
        groups.setdefault(key, []).append(run)
    return groups


def _of_group(runs: Sequence[PastRun]) -> Iterable[Flake]:
    for test in dict.fromkeys(test for run in runs for test in run.tests):
        seen = [(run, run.tests[test]) for run in runs if run.tests.get(test) in COUNTED]
        if len({outcome for _, outcome in seen}) > 1:
            yield Flake(
                test,
                commit=runs[0].facts.get("suite_commit", ""),
                image=runs[0].facts.get("image", ""),
                runs=tuple(run.run_id for run, _ in seen),
                outcomes=tuple(outcome for _, outcome in seen),
            )
