"""``make test``: lint, types, the suite's own tests, then both jobs of the suite on the testbed.

Every part runs, also after one has failed; the last line names those that did.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ci.on_testbed import AGG, DISAGG, Busy, Job, new_run_dir, run_suite
from ci.stages import Stages, Stopped
from ci.summary import exit_code_of, verdict_line
from reports.facts import read_verdict

BIN = Path(sys.executable).parent
BRIEF = ("--output-format", "concise")
QUICK_TIMEOUT_S = 300.0
HARNESS_TIMEOUT_S = 1200.0


@dataclass(frozen=True)
class Part:
    """One part of the check, as it ended."""

    name: str
    exit_code: int
    seconds: float
    words: str = ""


def main(argv: list[str]) -> int:
    """Return 0 when every part passed, 1 when one failed, 128 + n when stopped by signal n."""
    parser = argparse.ArgumentParser(prog="make test", description=__doc__)
    parser.add_argument(
        "--spent-s", type=float, default=0.0, help="seconds already spent installing"
    )
    started_s = time.monotonic() - parser.parse_args(argv).spent_s
    stages = Stages()
    parts: list[Part] = []
    try:
        parts.extend(_own_parts(stages))
        parts.extend(_suite(job, stages) for job in (AGG, DISAGG))
    except Stopped as stopped:
        _say(f"INVALID: {stopped}; done before: {', '.join(p.name for p in parts) or 'nothing'}")
        return stopped.exit_code
    for part in parts:
        _say(_row(part))
    _say(last_line(parts, time.monotonic() - started_s))
    return 1 if any(part.exit_code for part in parts) else 0


def _own_parts(stages: Stages) -> Iterator[Part]:
    commands: dict[str, tuple[list[str | Path], float]] = {
        "lint": ([BIN / "ruff", "check", *BRIEF, "."], QUICK_TIMEOUT_S),
        "format": ([BIN / "ruff", "format", "--check", *BRIEF, "."], QUICK_TIMEOUT_S),
        "types": ([BIN / "mypy"], QUICK_TIMEOUT_S),
        # Hypothesis's profile for CI: the same examples every time, no time limit for one of them.
        "harness": (
            [
                *(BIN / "pytest", "tests/harness", "--hypothesis-profile=ci"),
                *("-m", "not faults or quick_faults"),  # all take half an hour: make faults
                *("-n", "3", "--dist", "loadgroup"),  # tests/harness/conftest.py has the groups
            ],
            HARNESS_TIMEOUT_S,
        ),
    }
    for name, (command, timeout_s) in commands.items():
        _say(f"{name}: {' '.join(map(str, command))}")
        done = stages.run(name, command, timeout_s=timeout_s)
        yield Part(name, done.exit_code, done.seconds)


def _suite(job: Job, stages: Stages) -> Part:
    started_s = time.monotonic()
    run_dir = new_run_dir(f"test-{job.mark}")
    try:
        done = run_suite(job, stages, run_dir=run_dir, say=_say)
    except Busy as busy:
        return Part(job.mark, 1, time.monotonic() - started_s, f"nothing ran: {busy}")
    if done.stopped:
        raise done.stopped
    seconds = time.monotonic() - started_s
    if done.up_failed:
        return Part(job.mark, 1, seconds, "nothing ran: the testbed did not come up")
    verdict = read_verdict(run_dir)
    code = exit_code_of(verdict, done.exit_code, down_failed=done.down_failed)
    words = verdict_line(verdict, done.exit_code, seconds=seconds, run_dir=run_dir)
    return Part(job.mark, code, seconds, f"{words}{'; testbed not taken down' * done.down_failed}")


def _row(part: Part) -> str:
    end = "passed" if part.exit_code == 0 else f"failed (exit {part.exit_code})"
    return f"{part.name:8} {end}, {part.seconds:.1f} s{'; ' * bool(part.words)}{part.words}"


def last_line(parts: list[Part], seconds: float) -> str:
    """Return ``PASS`` or ``FAILED`` with the parts that failed, and the seconds it took."""
    failed = [part.name for part in parts if part.exit_code != 0]
    names = ", ".join(part.name for part in parts)
    return (
        f"FAILED: {', '.join(failed)} ({seconds:.0f} s)"
        if failed
        else f"PASS: {names} ({seconds:.0f} s)"
    )


def _say(line: str) -> None:
    print(f"test: {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
