"""Processes that hold GPU memory, looked at by the node probe as a run looks at its ranks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.deadline import Deadline, wait_until
from harness.nodes.inspection import probe_text
from harness.nodes.residue import Residue, find_residue
from harness.nodes.snapshot import NodeSnapshot, Snapshot, parse_snapshots

HOLDER = Path(__file__).with_name("holder.py")
JOB, STEP, RUN = "4711", "5", "20261125T000000-4711-ab12"
NODE = os.uname().nodename
TOLERANCE_MIB = 256
START_S = 60.0


class Holding:
    """A started process: who holds now, and how it is ended."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, f"the holder said nothing and ended with {process.wait(START_S)}"
        self.facts: dict[str, Any] = json.loads(line)

    @property
    def pid(self) -> int:
        """Who holds: the process itself, or its orphaned child."""
        return int(self.facts["pid"])

    def let_go(self) -> None:
        """Close its standard input: it ends in order."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(START_S)

    def kill(self) -> None:
        """Kill the process that was started."""
        self.process.kill()
        self.process.wait(START_S)


class GpuWorld:
    """Starts holders and takes snapshots."""

    def __init__(self) -> None:
        self._started: list[Holding] = []

    def start(self, *words: str, ours: bool = True, before: Sequence[str] = ()) -> Holding:
        """Start a holder, as a rank of step 5 of the run or as a stranger."""
        variables = {name: value for name, value in os.environ.items() if "SLURM" not in name}
        if ours:
            variables |= {
                "QUALIFY_RUN": RUN,
                "SLURM_JOB_ID": JOB,
                "SLURM_STEP_ID": STEP,
                "SLURM_PROCID": "0",
            }
        process = subprocess.Popen(
            [*before, sys.executable, str(HOLDER), *words],
            env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        holding = Holding(process)
        self._started.append(holding)
        return holding

    def snapshot(self, before: Sequence[str] = ()) -> Snapshot:
        """Take a snapshot of this machine; ``before`` is a command that starts the probe."""
        done = subprocess.run(
            [*before, sys.executable, "-I", "-S", "-", "--job", JOB,
             "--mark", f"QUALIFY_RUN={RUN}"],
            capture_output=True, check=True, input=probe_text(), text=True, timeout=60,
        )  # fmt: skip
        return parse_snapshots(done.stdout, expected_nodes=[NODE])

    def used_mib(self) -> int:
        """Return the memory in use on GPU 0."""
        return self.node().gpus[0].memory_used_mib or 0  # type: ignore[index]

    def node(self) -> NodeSnapshot:
        """Return this machine as it is now."""
        return self.snapshot().nodes[NODE]

    def left(
        self, baseline: Snapshot, after: Snapshot, *, seen: Sequence[Snapshot]
    ) -> list[Residue]:
        """Return what step 5 has left, by the suite's own comparison."""
        return find_residue(
            baseline,
            after,
            seen_while_running=list(seen),
            stopped_steps={STEP},
            tolerance_mib=TOLERANCE_MIB,
        )

    def curve(self, idle_mib: int, *, limit_s: float = 60.0) -> list[tuple[float, int]]:
        """Look until memory is back; return seconds and MiB of each look."""
        looks: list[tuple[float, int]] = []
        began_s = time.monotonic()

        def back() -> bool:
            used_mib = self.used_mib()
            looks.append((round(time.monotonic() - began_s, 3), used_mib))
            return looks[-1][1] <= idle_mib + TOLERANCE_MIB

        assert wait_until(back, Deadline.after(limit_s)), looks
        return looks

    def end(self) -> None:
        """End what was started and still lives; each pid is that of our own child or its orphan."""
        for holding in self._started:
            if holding.process.stdin and not holding.process.stdin.closed:
                holding.process.stdin.close()
            if holding.process.poll() is None:
                holding.kill()
