"""What the report costs a run: ``python -m benchmarks.report_cost [--pairs 3] [-- PYTEST WORDS]``.

The suite runs on one testbed, without and with a report in turn (A B A B ...): ``--no-report``, and
then what a user has, with the rendering after it. The table has wall time and the CPU time of
pytest's own process of each run. Then come the ratios of the medians, and the rendering's share of
a run. The exit code is 1 when a run with a report takes over 5 % longer.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ci.on_testbed import (
    REPORT_TIMEOUT_S,
    RUN_TIMEOUT_S,
    STATE,
    Job,
    Testbed,
    alone,
    new_run_dir,
)
from ci.stages import Stages

LIMIT_PERCENT = 5.0
HEAD = "report     pytest s   CPU s   rendering s   CPU s   run"


@dataclass(frozen=True)
class Cost:
    """Seconds of one run: of pytest with the allocation around it, and of the rendering."""

    pytest_s: float
    pytest_cpu_s: float
    rendering_s: float = 0.0
    rendering_cpu_s: float = 0.0

    @property
    def wall_s(self) -> float:
        """All that a user waits for."""
        return self.pytest_s + self.rendering_s

    @property
    def cpu_s(self) -> float:
        """CPU time of pytest's own process, and of the renderer with its children."""
        return self.pytest_cpu_s + self.rendering_cpu_s


def main(argv: list[str]) -> int:
    """Measure, print table and ratios, and return 1 when the limit is broken."""
    options = _arguments(argv)
    job = Job(options.mark, options.nodes, tuple(options.words))
    costs: dict[bool, list[Cost]] = {False: [], True: []}
    print(f"{os.cpu_count()} cores; {options.pairs} pairs of pytest -m {job.mark}\n{HEAD}")
    with alone():
        testbed = Testbed(Stages(), lambda _: None)
        try:
            if testbed.up(nodes=job.nodes) != 0:
                raise SystemExit("the testbed did not come up")
            for report in [False, True] * options.pairs:
                costs[report].append(_measure(testbed, job, report=report))
        finally:
            testbed.down()
    lines, percent = summary(costs[False], costs[True])
    print("\n".join(lines))
    return 1 if percent > LIMIT_PERCENT else 0


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report_cost", description=__doc__)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--mark", default="agg")
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("words", nargs="*", help="more words for pytest, after --")
    return parser.parse_args(argv)


def _measure(testbed: Testbed, job: Job, *, report: bool) -> Cost:
    """Run the suite once, print a line about it, and return what it took."""
    run_dir = new_run_dir("with-report" if report else "no-report")
    run_dir.mkdir(parents=True)
    with tempfile.NamedTemporaryFile("r", dir=run_dir, prefix="cpu-") as cpu:
        done = testbed.stages.run(
            "run",
            _command(job, run_dir, report=report),
            timeout_s=RUN_TIMEOUT_S,
            env={"TESTBED_STATE": os.environ.get("TESTBED_STATE", STATE), "OWN_CPU_FILE": cpu.name},
            output=run_dir / "pytest.log",
        )
        if done.exit_code != 0:
            raise SystemExit(f"pytest ended with {done.exit_code}: {run_dir / 'pytest.log'}")
        cost = Cost(done.seconds, float(Path(cpu.name).read_text(encoding="utf-8")))
    if report:
        cost = _rendered(testbed.stages, run_dir, cost)
    print(
        f"{'with' if report else 'without':8} {cost.pytest_s:10.2f} {cost.pytest_cpu_s:7.2f} "
        f"{cost.rendering_s:13.2f} {cost.rendering_cpu_s:7.2f}   {run_dir.name}",
        flush=True,
    )
    return cost


def _command(job: Job, run_dir: Path, *, report: bool) -> list[str]:
    """Return the command of one run; ``python -m pytest`` finds the plugin in this checkout."""
    allocation = ["-m", "testbed", "run", "--nodes", str(job.nodes), "--"]
    words = ["-m", "pytest", "-p", "benchmarks.own_cpu", "-m", job.mark, "--nodes", str(job.nodes)]
    more = [*job.more, "--run-dir", str(run_dir), *([] if report else ["--no-report"])]
    return [sys.executable, *allocation, sys.executable, *words, *more]


def _rendered(stages: Stages, run_dir: Path, cost: Cost) -> Cost:
    before_s = _cpu_of_children_s()
    words = [sys.executable, "-m", "reports", str(run_dir)]
    done = stages.run("report", words, timeout_s=REPORT_TIMEOUT_S, output=run_dir / "pytest.log")
    if done.exit_code != 0:
        raise SystemExit(f"no report was rendered: {run_dir / 'pytest.log'}")
    return Cost(
        cost.pytest_s,
        cost.pytest_cpu_s,
        rendering_s=done.seconds,
        rendering_cpu_s=_cpu_of_children_s() - before_s,
    )


def _cpu_of_children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def summary(without: Sequence[Cost], with_report: Sequence[Cost]) -> tuple[list[str], float]:
    """Return the lines about the medians, and by how many percent a run with a report is longer.

    Pure.
    """
    plain, full = _medians(without), _medians(with_report)
    percent = 100 * (full.wall_s / plain.wall_s - 1)
    rows = {
        "pytest alone": (full.pytest_s / plain.pytest_s, full.pytest_cpu_s / plain.pytest_cpu_s),
        "with rendering": (full.wall_s / plain.wall_s, full.cpu_s / plain.cpu_s),
    }
    lines = ["medians, with a report : without    wall    CPU"]
    lines += [f"{name:32} {wall:7.4f} {cpu:6.3f}" for name, (wall, cpu) in rows.items()]
    share = 100 * full.rendering_s / full.wall_s
    lines += [
        f"the rendering is {share:.2f} % of a run with a report",
        f"a run with a report takes {percent:+.2f} % (limit {LIMIT_PERCENT:g} %)",
    ]
    return lines, percent


def _medians(costs: Sequence[Cost]) -> Cost:
    return Cost(
        statistics.median(each.pytest_s for each in costs),
        statistics.median(each.pytest_cpu_s for each in costs),
        rendering_s=statistics.median(each.rendering_s for each in costs),
        rendering_cpu_s=statistics.median(each.rendering_cpu_s for each in costs),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
