"""What follows the suite in a night, and what is done for a start that was cut off before it.

Each part is a command of the project, run to its end whoever asks to stop meanwhile. None of them
changes the verdict: one that fails has said why, and the next is tried.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ci.nights import HISTORY_FILE, SUMMARY_FILE, TRENDS_FOLDER, Night
from ci.stages import Stages
from harness.errors import VerdictClass
from harness.guard.owner import read_owner
from harness.verdict import EXIT_CODES

CLEAN_TIMEOUT_S = 400.0
"""Looking twice (60 s each at most), a drain (120 s), and the end of guards."""

VERDICT_TIMEOUT_S = 60.0
REPORT_TIMEOUT_S = 300.0
NO_VERDICT = 2
"""Exit code of ``python -m harness verdict`` where nothing tells which tests ran."""


@dataclass(frozen=True)
class Aftermath:
    """Has all that is known of a start written into its folder."""

    stages: Stages
    archive: Path
    say: Callable[[str], None]

    def settle(self, night: Night) -> Night:
        """Write verdict, history, summary and report of a start, and note its exit code."""
        told = self._harness("verdict", night.folder)
        ended = night.end(exit_code_of(told, night.pytest_exit_code))
        if told != NO_VERDICT:
            self._summarize(night)
            self._remember(night)
            self._render(night)
        return ended

    def _summarize(self, night: Night) -> None:
        """Write the page of the CI job, with what changed since the last night."""
        output = ("--output", night.folder / SUMMARY_FILE)
        self._harness("summary", night.folder, *output, "--history", self._history)

    def _remember(self, night: Night) -> None:
        """Append the night to the history."""
        self._harness("history", "add", night.folder, "--history", self._history)

    def _render(self, night: Night) -> None:
        """Render the report, beside the nights before it."""
        past = ("--history", self._history, "--trends", self.archive / TRENDS_FOLDER)
        self._part("reports", night.folder, *past, timeout_s=REPORT_TIMEOUT_S)

    @property
    def _history(self) -> Path:
        return self.archive / HISTORY_FILE

    def _harness(self, command: str, *words: str | Path) -> int:
        return self._part("harness", command, *words, timeout_s=VERDICT_TIMEOUT_S)

    def _part(self, module: str, *words: str | Path, timeout_s: float) -> int:
        command = [sys.executable, "-m", module, *words]
        return self.stages.clean_up(module, command, timeout_s=timeout_s).exit_code


def exit_code_of(verdict: int, pytest: int | None) -> int:
    """Return the exit code of a night, from that of its verdict and pytest's.

    A verdict of 0 does not stand where pytest says otherwise (a run that was cut off has none of
    0). Where there is no verdict, what pytest said stands (such as 4, wrong usage), unless that is
    0 or nothing: then nothing was proved.
    """
    if verdict == NO_VERDICT:
        return pytest or EXIT_CODES[VerdictClass.INVALID]
    return (pytest or 0) if verdict == 0 else verdict


def clear_away(earlier: Sequence[Night], stages: Stages, archive: Path) -> None:
    """End what earlier starts of this job left on the nodes; Slurm has ended their steps."""
    for night in earlier:
        run_id, _ = read_owner(night.folder)
        if run_id:  # else it came to no step
            clean: list[str | Path] = [
                sys.executable,
                "-m",
                "harness",
                "clean",
                "--run",
                run_id,
                "--runs",
                archive,
            ]
            stages.run("clean", clean, timeout_s=CLEAN_TIMEOUT_S)
