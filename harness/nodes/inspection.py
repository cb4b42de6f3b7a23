"""Probing the nodes of a run, and removing what our own dead ranks left on them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from harness.errors import InfraError, NodeOccupied, PortTaken
from harness.nodes.occupied import require_readable
from harness.nodes.question import LiveStep
from harness.nodes.residue import Residue, find_occupied, find_residue
from harness.nodes.snapshot import Snapshot, parse_snapshots
from harness.nodes.words import in_words
from harness.releases import EPLB_SHM_DEFAULT
from harness.rundir import RUN_VARIABLE, RunDirectory
from harness.sent import program_text
from harness.slurm.client import HOST_PATH, Slurm
from harness.slurm.srun import StepSpec
from harness.slurm.words import fault_words

PROBE_MODULES = ("document", "processes", "surroundings", "software", "driver", "probe")
"""The probe's modules, each after those that it imports; the last one has ``main``."""

PROBE_S = 30.0
"""Deadline of one probe of all nodes; a second is usual."""

SHM = Path("/dev", "shm")
"""Where a node keeps its shared memory files."""

TMP = Path("/", "tmp")
"""Where Slurm, PMIx and the worker's script keep small files."""


def probe_text() -> str:
    """Return the probe as it is sent to nodes: Python for standard input."""
    folder = Path(__file__).with_name("program")
    return program_text(folder, "harness.nodes.program", PROBE_MODULES)


class NodeInspector:
    """Takes snapshots of a run's nodes and keeps them in the run directory.

    ``ports`` maps the names of our services to their ports on the head node, which is the first of
    ``nodes``; ``leader_ports`` maps those of every worker to its port on the worker's first node.
    """

    def __init__(
        self,
        slurm: Slurm,
        directory: RunDirectory,
        *,
        nodes: Sequence[str],
        ports: Mapping[str, int],
        leader_ports: Mapping[str, int],
        account: str,
    ) -> None:
        self.taken: list[Snapshot] = []
        self.conditions: Snapshot | None = None
        """The last snapshot that was asked for with the condition of the nodes."""
        self._slurm = slurm
        self._directory = directory
        self._nodes = tuple(nodes)
        self._ports = dict(ports)
        self._leader_ports = dict(leader_ports)
        self._account = account
        self._numbers = itertools.count(1)

    def snapshot(
        self,
        moment: str,
        nodes: Sequence[str] = (),
        *,
        condition: bool = False,
        timeout_s: float = PROBE_S,
        anyway: bool = False,
    ) -> Snapshot:
        """Probe ``nodes`` (all by default) in one step outside the container.

        ``condition`` also asks what they are like: health of the GPUs, addresses, room in folders.
        ``anyway``: also when the deployment that lives is known to be dying.
        The snapshot is kept as ``snapshots/NN-<moment>.json``. Raises
        :class:`~harness.errors.InfraError` for a node that did not answer.
        """
        number = next(self._numbers)
        wanted = tuple(nodes) or self._nodes
        spec = StepSpec(
            name=f"qualify-{self._directory.run_id}-probe-{number}",
            job_id=self._slurm.job_id,
            nodes=wanted,
            tasks_per_node=1,
            command=(*self._command(), *(self._condition() if condition else ())),
            account=self._account,
        )
        asked_s = time.time()
        done = self._slurm.run_step(
            spec, timeout_s=timeout_s, stdin=probe_text(), path=HOST_PATH, anyway=anyway
        )
        answered_s = time.time()
        if done.returncode != 0:
            raise InfraError(
                f"the probe of {', '.join(wanted)} ended with {done.returncode}: "
                f"{fault_words(done.stderr)}"
            )
        snapshot = parse_snapshots(done.stdout, expected_nodes=wanted)
        snapshot = replace(snapshot, asked=(asked_s, answered_s))
        self._directory.write_json(f"snapshots/{number:02d}-{moment}.json", snapshot.to_json())
        self.taken.append(snapshot)
        self.conditions = snapshot if condition else self.conditions
        return snapshot

    def call(self, nodes: Sequence[str], *, timeout_s: float) -> None:
        """Have each node say a word; raise :class:`~harness.errors.InfraError` for who does not."""
        spec = StepSpec(
            name=f"qualify-{self._directory.run_id}-call-{next(self._numbers)}",
            job_id=self._slurm.job_id,
            nodes=tuple(nodes),
            tasks_per_node=1,
            command=("echo", "here"),
            account=self._account,
        )
        done = self._slurm.run_step(spec, timeout_s=timeout_s, path=HOST_PATH, anyway=True)
        if done.returncode != 0:
            raise InfraError(
                f"the call of {', '.join(nodes)} ended with {done.returncode}: "
                f"{fault_words(done.stderr)}"
            )

    def check_unoccupied(self, snapshot: Snapshot, *, gpu_idle_mib: int) -> None:
        """Raise :class:`NodeOccupied` or :class:`PortTaken` if a node would break the run."""
        occupied = find_occupied(snapshot, gpu_memory_idle_mib=gpu_idle_mib)
        if occupied:
            raise NodeOccupied(
                in_words(occupied),
                hint="end what holds the GPUs, and remove shared memory files that nobody holds",
            )
        require_readable(snapshot, "listeners")
        for place, node in enumerate(self._nodes):
            wanted = {**self._leader_ports, **(self._ports if place == 0 else {})}
            names = {port: name for name, port in wanted.items()}
            for listener in snapshot.nodes[node].listeners or ():
                if listener.port in names:
                    raise PortTaken(
                        f"port {listener.port} of {'head ' * (place == 0)}node {node}, wanted for "
                        f"{names[listener.port]}, is in use by {listener.owner}",
                        hint="stop that process, or give another port "
                        "(DYN_HTTP_PORT, ETCD_PORT, NATS_PORT, DYN_SYSTEM_PORT)",
                    )

    def residue(
        self,
        baseline: Snapshot,
        after: Snapshot,
        *,
        stopped_steps: Collection[str],
        services_stopped: bool,
        tolerance_mib: int,
        live_steps: Sequence[LiveStep] = (),
    ) -> list[Residue]:
        """Return what ended steps left on the nodes of ``after``.

        All earlier snapshots help to tell what is ours. The ports count once the services have been
        stopped. ``live_steps`` are workers that have not ended.
        """
        return find_residue(
            baseline,
            after,
            seen_while_running=self.taken,
            stopped_steps=stopped_steps,
            tolerance_mib=tolerance_mib,
            ports=self._all_ports() if services_stopped else (),
            own_shm_prefixes=(self.own_shm_prefix,),
            live_steps=live_steps,
        )

    def keep(self, name: str, value: object) -> None:
        """Write something that was seen as JSON to the run directory."""
        self._directory.write_json(name, value)

    @property
    def own_shm_prefix(self) -> str:
        """How the names of all shared memory files of this run begin."""
        return f"{EPLB_SHM_DEFAULT}_{self._directory.run_id}_"

    def sweep(self, moment: str, nodes: Sequence[str] = ()) -> Snapshot:
        """Remove the shared memory files of this run that no process holds any more.

        They are ours by name. An orderly shutdown leaves none; dead ranks do, and the next worker
        there, or the next run, would be refused for them. Return the nodes as they were before.
        """
        snapshot = self.snapshot(moment, nodes)
        for node, seen in snapshot.nodes.items():
            unheld = (entry for entry in seen.shm or () if entry.pids == ())
            ours = [e.name for e in unheld if e.name.startswith(self.own_shm_prefix)]
            if ours:
                self._remove(node, [str(SHM / name) for name in ours])
        return snapshot

    def _remove(self, node: str, paths: Sequence[str]) -> None:
        spec = StepSpec(
            name=f"qualify-{self._directory.run_id}-sweep-{node}",
            job_id=self._slurm.job_id,
            nodes=(node,),
            tasks_per_node=1,
            command=("rm", "-f", "--", *paths),
            account=self._account,
        )
        done = self._slurm.run_step(spec, timeout_s=PROBE_S, path=HOST_PATH)
        self._directory.event(
            "removed", {"node": node, "files": len(paths), "exit": done.returncode}
        )

    def _all_ports(self) -> tuple[int, ...]:
        return (*self._ports.values(), *self._leader_ports.values())

    def _condition(self) -> tuple[str, ...]:
        conf, folders = self._slurm.plugin_places()
        places = ("--plugstack", conf, "--plugin-folders", folders)
        return ("--condition", "--folder", str(TMP), "--folder", str(self._directory.path), *places)

    def _command(self) -> tuple[str, ...]:
        ports = ",".join(map(str, self._all_ports()))
        return (
            "python3",
            "-I",
            "-S",
            "-",
            "--job",
            self._slurm.job_id,
            "--ports",
            ports,
            "--mark",
            f"{RUN_VARIABLE}={self._directory.run_id}",
        )
