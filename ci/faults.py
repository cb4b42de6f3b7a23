"""``make faults``: every fault of the library on a testbed, and docs/track-record.md from it."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from ci.stages import Stages, Stopped

BIN = Path(sys.executable).parent
FAULTS_TIMEOUT_S = 3600.0
RECORD_TIMEOUT_S = 60.0


def main(argv: list[str]) -> int:
    """Return pytest's exit code, or that of the record; 128 + n when stopped by signal n."""
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument(
        "--spent-s", type=float, default=0.0, help="seconds already spent installing"
    )
    started_s = time.monotonic() - parser.parse_args(argv).spent_s
    stages = Stages()
    tests: list[str | Path] = [BIN / "pytest", "tests/harness", "-m", "faults"]
    record: list[str | Path] = [sys.executable, "-m", "tests.harness.faults.track_record"]
    try:
        told = stages.run("faults", tests, timeout_s=FAULTS_TIMEOUT_S)
        written = stages.run("track record", record, timeout_s=RECORD_TIMEOUT_S)
    except Stopped as stopped:
        print(f"faults: INVALID: {stopped}", flush=True)
        return stopped.exit_code
    code = told.exit_code or written.exit_code
    word = "FAILED" if code else "PASS"
    print(f"faults: {word} ({time.monotonic() - started_s:.0f} s)", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
