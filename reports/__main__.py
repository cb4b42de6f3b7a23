"""``python -m reports RUN_DIR``: render the report of one run."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from harness.strays import strays_in
from reports.errors import ReportError
from reports.render import render
from reports.toolchain import ensure_toolchain


def main(argv: list[str]) -> int:
    """Render, or only install the renderer; return 0, or 1 with the reason on standard error."""
    asked = _arguments(argv)
    started_s = time.monotonic()
    try:
        if asked.install:
            ensure_toolchain(_say)
            return 0
        strays = strays_in(asked.run_dir)
        for told in (*strays.damaged_words, *strays.foreign_words):
            _say(f"left out: {told}")
        report = render(
            asked.run_dir,
            _say,
            trends=asked.trends or beside(asked.run_dir, "trends"),
            history=asked.history or beside(asked.run_dir, "history.jsonl"),
        )
    except ReportError as error:
        _complain(error, asked.run_dir)
        return 1
    size_mb = report.stat().st_size / 1e6
    _say(f"{report} ({size_mb:.1f} MB, {time.monotonic() - started_s:.1f} s)")
    return 0


def beside(run_dir: Path, name: str) -> Path | None:
    """Return what lies beside a run directory under a name, ``None`` where nothing does."""
    found = run_dir.resolve().parent / name
    return found if found.exists() else None


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m reports", description=__doc__)
    parser.add_argument("run_dir", type=Path, nargs="?", help="a run directory, as runs/latest")
    parser.add_argument(
        "--history", type=Path, metavar="FILE",
        help="of `python -m harness history`: the report says what changed since earlier runs "
        "(default: history.jsonl beside the run directory, if it is there)",
    )  # fmt: skip
    parser.add_argument(
        "--trends", type=Path, metavar="DIR",
        help="keeps former runs: the report shows trends (default: trends beside the run "
        "directory, if it is there)",
    )  # fmt: skip
    parser.add_argument("--install", action="store_true", help="only fetch the renderer")
    asked = parser.parse_args(argv)
    if asked.run_dir is None and not asked.install:
        parser.error("which run? name its directory, as runs/latest")
    return asked


def _say(line: str) -> None:
    print(f"report: {line}", flush=True)


def _complain(error: ReportError, run_dir: Path | None) -> None:
    print(f"report: not rendered: {error}", file=sys.stderr)
    if error.hint:
        print(f"report: hint: {error.hint}", file=sys.stderr)
    if run_dir is not None and run_dir.is_dir():
        kept = [
            name
            for name in ("verdict.json", "junit.xml", "allure-results")
            if (run_dir / name).exists()
        ]
        print(f"report: kept in {run_dir}: {', '.join(kept) or 'nothing'}", file=sys.stderr)
    elif run_dir is None:
        print("report: runs keep their results and JUnit files without it", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
