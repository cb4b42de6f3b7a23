"""``make faults``: every fault of the library on a testbed, and docs/track-record.md from it."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from ci.stages import Stages, Stopped

BIN = Path(sys.executable).parent
FAULTS_TIMEOUT_S = 5400.0
RECORD_TIMEOUT_S = 60.0


def main(argv: list[str]) -> int:
    """Return 0 when each fault was told, known misses apart; 128 + n when stopped by signal n.

    Else pytest's exit code, or 1 where pytest is content and a fault did not run. The record is
    written in any case, from what was seen by this run alone, save when it was stopped.
    """
    options = _options(argv)
    started_s = time.monotonic() - options.spent_s
    stages = Stages()
    record = _record_command(options, since=time.time())
    try:
        told = stages.run("faults", _tests_command(options), timeout_s=FAULTS_TIMEOUT_S)
        written = stages.run("track record", record, timeout_s=RECORD_TIMEOUT_S)
    except Stopped as stopped:
        _say(f"INVALID: {stopped}; the record is as it was")
        return stopped.exit_code
    code = told.exit_code or written.exit_code
    word = "FAILED" if code else "PASS"
    late = f"; not done within {FAULTS_TIMEOUT_S:.0f} s" if told.exit_code == 124 else ""
    _say(f"{word} ({time.monotonic() - started_s:.0f} s){late}")
    return code


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument(
        "--spent-s", type=float, default=0.0, help="seconds already spent installing"
    )
    parser.add_argument("-k", dest="words", metavar="WORDS", help="only those, as with pytest -k")
    parser.add_argument("--record", type=Path, metavar="FILE", help="instead of the docs' own")
    options = parser.parse_args(argv)
    if options.words and not options.record:
        parser.error("-k needs --record FILE: the record of docs/ is one of all faults")
    return options


def _tests_command(options: argparse.Namespace) -> list[str | Path]:
    command: list[str | Path] = [BIN / "pytest", "tests/harness/faults", "-m", "faults"]
    return [*command, "-k", options.words] if options.words else command


def _record_command(options: argparse.Namespace, *, since: float) -> list[str | Path]:
    """Return the command that writes the record; of all faults none may be missing."""
    module = "tests.harness.faults.track_record"
    command: list[str | Path] = [sys.executable, "-m", module, "--since", f"{since:.3f}"]
    file = ["--record", options.record] if options.record else []
    return [*command, *file, *([] if options.words else ["--all"])]


def _say(line: str) -> None:
    print(f"faults: {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
