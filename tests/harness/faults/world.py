"""A world that is broken by the fault library, and is clean again before the next fault."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness.deadline import Deadline, wait_until
from testbed.faults.fault import Fault, Moment
from testbed.faults.table import fault_named
from tests.harness.broken.world import Ended, SuiteRun, World
from tests.harness.faults.outcome import Outcome, knows_of_failure, outcome_of

NODES = ("node1", "node2", "node3", "node4")
GONE_S = 60.0
"""Seconds for a job to be gone after its suite has ended."""

PATIENCE_S = 40.0
"""Seconds after which a fault that had to be noticed within 15 counts as not noticed at all."""

ENDING_S = 45.0
"""Seconds for a run to end in order."""

HOLD = 'until [ -e "$0" ]; do sleep 0.1; done; exec "$@"'
"""A shell that waits for a file in an allocation, and then becomes the suite."""


class FaultWorld(World):
    """One testbed for many faults."""

    def __init__(self, state: Path, run_root: Path) -> None:
        super().__init__(state, run_root)
        self._go = run_root / "go"

    def show(self, fault: Fault) -> Outcome:
        """Run the suite with a fault, provoked at its moment; leave a clean world."""
        with self._cleaned():
            run, at = self._start(fault, ("-k", fault.run.tests))
            if fault.lasts_s is not None:
                time.sleep(fault.lasts_s)
                self._call("fault", "clear")
            if fault.said.within_s is not None:
                noticed = wait_until(
                    lambda: run.has_ended or knows_of_failure(run), Deadline.after(PATIENCE_S)
                )
                if not noticed:
                    self._end(run)
            return outcome_of(run, at)

    def run_broken(self, name: str, *arguments: str) -> Ended:
        """Run tests of one's own choice with a fault, to their end; leave a clean world."""
        with self._cleaned():
            run, _ = self._start(fault_named(name), arguments)
            return run.end()

    @contextmanager
    def _cleaned(self) -> Iterator[None]:
        self._go.parent.mkdir(exist_ok=True)
        try:
            yield
        finally:
            self._go.unlink(missing_ok=True)
            self.make_clean()

    def _start(self, fault: Fault, arguments: Sequence[str]) -> tuple[SuiteRun, float | None]:
        """Start a run and provoke the fault at its moment; return when that was, if in the run."""
        self._call("fault", "inject", fault.name, "--prepare")
        if fault.moment is Moment.BEFORE and fault.inject:
            self.inject(fault.name)
        held = ("bash", "-c", HOLD, str(self._go)) if fault.moment is Moment.ALLOCATED else ()
        run = self.start_suite(
            *arguments,
            mark=fault.run.mark,
            before=held,
            options=fault.run.options,
            **fault.run.variables,
        )
        if fault.moment is Moment.BEFORE:
            return run, None
        MOMENTS[fault.moment](self, run)
        at = self.inject(fault.name)
        self._go.touch()
        return run, at

    def _end(self, run: SuiteRun) -> None:
        """End a run in order if that can be had, or else with its testbed."""
        run.ask_to_end()
        if not wait_until(lambda: run.has_ended, Deadline.after(ENDING_S)):
            self.down()
            self.up()

    def make_clean(self) -> None:
        """Take the fault away; bring the testbed up anew if anything is left on it."""
        try:
            self._call("fault", "clear")
        except AssertionError:  # something stays that no status shows
            self._anew()
            return
        if not wait_until(self._clean, Deadline.after(GONE_S if self._only_jobs() else 2.0)):
            self._anew()

    def _anew(self) -> None:
        """Bring the testbed up anew; what outlives it in the shared folder is taken away then."""
        self.down()
        self.up()
        self._call("fault", "clear")

    def _only_jobs(self) -> bool:
        return not json.loads(self.status()).get("problems", ["down"])

    def _clean(self) -> bool:
        told = json.loads(self.status())
        used = [gpu["memory_used_mib"] for node in told["nodes"] for gpu in node["gpus"]]
        if told["problems"] or told["jobs"] or any(used):
            return False
        return not any(self.shm_files(node) for node in NODES)


def one_world(name: str) -> Iterator[FaultWorld]:
    """Yield a testbed of 4 nodes, and take it down.

    Run directories must be seen from its nodes, whose /tmp is their own: they lie beside its state.
    """
    root = Path("/var/tmp") / f"{name}-{os.getpid()}"
    world = FaultWorld(root / "testbed", root / "runs")
    try:
        world.up()
        yield world
    finally:
        world.down()
    shutil.rmtree(root)


def _until_held(world: FaultWorld, _run: SuiteRun) -> None:
    held = wait_until(lambda: bool(world.jobs()), Deadline.after(30.0))
    assert held, "no job got its nodes"


MOMENTS: dict[Moment, Callable[[FaultWorld, SuiteRun], None]] = {
    Moment.ALLOCATED: _until_held,
    Moment.SERVICES_UP: lambda _, run: run.wait_for_log(
        "logs/*/frontend.out.log", "etcd and NATS serve"
    ),
    Moment.LOADING: lambda _, run: run.wait_for_log("logs/*/*-0.*.log", "Loading weights"),
    Moment.SERVING: lambda _, run: run.wait_for_event("workers ready"),
    Moment.STOPPING: lambda _, run: run.wait_for_log(
        "logs/*/*-0.*.log", "Received shutdown signal"
    ),
}
