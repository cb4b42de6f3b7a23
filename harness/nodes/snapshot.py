"""What the nodes held at one moment: typed facts, from the probe's lines or the run directory.

The field names are the probe's. ``None`` stands for what could not be read, never for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from harness.errors import HarnessError, InfraError
from harness.nodes.condition import Folder, GpuFabric, GpuHealth, GpuRecovery, PyxisFile, Xid
from harness.nodes.lines import read_output

SCHEMA = 1
"""The probe's document this module reads."""


class ProbeFailed(InfraError):
    """A node gave no answer to the probe, or a broken one."""


@dataclass(frozen=True)
class Gpu:
    """One GPU as ``nvidia-smi --query-gpu`` shows it; memory in MiB, of all processes together."""

    index: int
    uuid: str
    name: str
    driver: str
    memory_total_mib: int | None
    memory_used_mib: int | None


@dataclass(frozen=True)
class GpuProcess:
    """One row of ``nvidia-smi --query-compute-apps``: a process with memory on a GPU."""

    gpu_uuid: str
    pid: int | None
    name: str
    memory_mib: int | None

    @property
    def gone(self) -> bool:
        """Whether nvidia-smi finds no process of this pid: what it held is held by somebody else.

        A child that inherited the driver's files keeps its parent's memory, under the parent's pid
        (seen on an H100 with driver 580.159).
        """
        return self.name == "[Not Found]"


@dataclass(frozen=True)
class Holder:
    """A process that holds something. Pid and start time (clock ticks after boot) identify it."""

    pid: int
    ppid: int
    start_ticks: int
    uid: int
    name: str

    @property
    def identity(self) -> tuple[int, int]:
        """Pid and start time: a pid alone may have been given to another process since."""
        return self.pid, self.start_ticks


@dataclass(frozen=True)
class JobProcess(Holder):
    """A process of the job. ``step`` is its number, or ``interactive``, ``batch``, ``extern``.

    ``found_by`` says why it counts as the job's: ``environ``, ``cgroup``, ``mark`` or ``parent``;
    ``stopped`` that a signal or a debugger has stopped it.
    """

    cmdline: str
    found_by: str
    step: str | None
    rank: int | None
    stopped: bool | None = None


@dataclass(frozen=True)
class DeviceHolder(Holder):
    """A process with devices of the NVIDIA driver open, by their names below /dev.

    nvidia-smi need not name it. ``other_pid_namespace``: it lives in another PID namespace than the
    probe, as in a container of its own.
    """

    devices: tuple[str, ...]
    other_pid_namespace: bool | None


@dataclass(frozen=True)
class GpuDevice:
    """A GPU by the driver's own files: ``/dev/nvidia<minor>``, which need not be its index.

    ``numa_node`` is that of its memory, where the driver says so (coherent memory, as on GB200).
    """

    uuid: str
    minor: int
    numa_node: int | None


@dataclass(frozen=True)
class NumaNode:
    """Memory of one NUMA node, in MiB; ``cpus`` as in ``cpulist``.

    ``file_pages_mib`` is page cache and shared memory together, ``shmem_mib`` the latter alone.
    """

    id: int
    total_mib: int
    free_mib: int
    file_pages_mib: int
    shmem_mib: int
    cpus: str

    @property
    def page_cache_mib(self) -> int:
        """Pages of files on disks, which the kernel gives back when somebody needs the memory."""
        return max(0, self.file_pages_mib - self.shmem_mib)


@dataclass(frozen=True)
class ShmEntry:
    """A file of /dev/shm; ``pids`` are the processes that map it or have it open."""

    name: str
    inode: int
    size_bytes: int
    uid: int
    age_s: float
    pids: tuple[int, ...] | None

    @property
    def identity(self) -> tuple[str, int]:
        """Name and inode: a name may have been removed and made again since."""
        return self.name, self.inode


@dataclass(frozen=True)
class Listener:
    """A listening TCP socket on one of the ports that were asked for."""

    port: int
    uid: int
    inode: int
    pids: tuple[int, ...] | None
    names: tuple[str, ...] = ()

    @property
    def owner(self) -> str:
        """The listening process in words: pid, name and user."""
        pairs = [
            f"pid {pid} ({name}" for pid, name in zip(self.pids or (), self.names, strict=True)
        ]
        return f"{pairs[0]}, uid {self.uid})" if pairs else f"a process of uid {self.uid} not seen"


@dataclass(frozen=True)
class Unreadable:
    """Something that could not be read, and why."""

    what: str
    detail: str


@dataclass(frozen=True)
class NodeSnapshot:
    """One node's answer.

    ``uid`` is the user the probe ran as; ``unread`` counts, by user, the processes that could not
    be read: they may hold a file or a device without being named. ``numa`` has the NUMA nodes that
    have memory. From ``gpu_health`` to ``pyxis`` stands what only the baseline asks for.
    """

    node: str
    boot_id: str
    time_s: float
    python: str
    uid: int
    elapsed_ms: float
    schema: int = SCHEMA
    gpus: tuple[Gpu, ...] | None = None
    compute_apps: tuple[GpuProcess, ...] | None = None
    shm: tuple[ShmEntry, ...] | None = None
    shm_total_bytes: int | None = None
    shm_free_bytes: int | None = None
    memory_available_mib: int | None = None
    numa: tuple[NumaNode, ...] | None = None
    gpu_devices: tuple[GpuDevice, ...] | None = None
    device_holders: tuple[DeviceHolder, ...] | None = None
    processes: tuple[JobProcess, ...] | None = None
    listeners: tuple[Listener, ...] | None = None
    gpu_health: tuple[GpuHealth, ...] | None = None
    gpu_recovery: tuple[GpuRecovery, ...] | None = None
    gpu_fabric: tuple[GpuFabric, ...] | None = None
    imex_channels: tuple[str, ...] | None = None
    xids: tuple[Xid, ...] | None = None
    thp: str | None = None
    addresses: tuple[str, ...] | None = None
    folders: tuple[Folder, ...] | None = None
    cuda_of_driver: str | None = None
    enroot: str | None = None
    pyxis: tuple[PyxisFile, ...] | None = None
    holders: tuple[Holder, ...] = ()
    unread: Mapping[int, int] = field(default_factory=dict)
    errors: tuple[Unreadable, ...] = ()

    def apps_on(self, gpu_uuid: str) -> tuple[GpuProcess, ...]:
        """Return the compute processes of one GPU; none if the driver did not tell."""
        return tuple(app for app in self.compute_apps or () if app.gpu_uuid == gpu_uuid)

    def holder(self, pid: int) -> Holder | None:
        """Return what is known of a process that holds something or is the job's."""
        known = [*(self.processes or ()), *self.holders, *(self.device_holders or ())]
        return next((each for each in known if each.pid == pid), None)

    def why_unreadable(self, what: str) -> str:
        """Return the reason why something is ``None``."""
        details = [error.detail for error in self.errors if error.what == what]
        return "; ".join(details) or "the probe gives no reason"


@dataclass(frozen=True)
class Snapshot:
    """The answers of all probed nodes, by node, in the order in which they were asked for.

    ``asked`` is when the probe's step was started and when it had ended, in seconds since the epoch
    by the clock of the asking node; ``None`` for a snapshot that was read from a file.
    """

    nodes: Mapping[str, NodeSnapshot]
    asked: tuple[float, float] | None = None

    @property
    def emulated(self) -> bool:
        """Whether any GPU says of itself that it is emulated."""
        gpus = [gpu for node in self.nodes.values() for gpu in node.gpus or ()]
        return any("emulated" in gpu.name.lower() for gpu in gpus)

    def only(self, nodes: Sequence[str]) -> Snapshot:
        """Return the snapshot of some of the nodes."""
        return Snapshot({node: self.nodes[node] for node in nodes})

    def to_json(self) -> list[dict[str, Any]]:
        """Return plain values for a JSON file of the run directory."""
        return [asdict(node) for node in self.nodes.values()]

    @classmethod
    def from_json(cls, value: list[dict[str, Any]]) -> Snapshot:
        """Return the snapshot of what :meth:`to_json` gave; wrong values raise HarnessError."""
        nodes = [_node_snapshot(document) for document in value]
        return cls({node.node: node for node in nodes})


_ADAPTER = TypeAdapter(NodeSnapshot)


def parse_snapshots(
    text: str, *, expected_nodes: Sequence[str], log: Path | None = None
) -> Snapshot:
    """Read the standard output of the probe's step; ``log`` is named in errors.

    Raises :class:`ProbeFailed` (class INFRA) that names every node without one whole answer.
    """
    output = read_output(text)
    problems = list(output.broken)
    found = [_node_snapshot(document) for document in output.documents]
    answered = [node.node for node in found]
    problems += [f"{node} gave no answer" for node in expected_nodes if node not in answered]
    problems += [f"{node} was not asked" for node in answered if node not in expected_nodes]
    problems += [f"{node} answered twice" for node in set(answered) if answered.count(node) > 1]
    if problems:
        where = f"; output: {log}" if log else ""
        raise ProbeFailed(
            f"{len(set(answered))} of {len(expected_nodes)} nodes answered the node probe: "
            f"{'; '.join(problems)}{where}",
            hint="is python3 on every node, and can `srun --overlap` start a task on each?",
        )
    by_node = {node.node: node for node in found}
    return Snapshot({node: by_node[node] for node in expected_nodes})


def _node_snapshot(document: Mapping[str, Any]) -> NodeSnapshot:
    if document.get("schema") != SCHEMA:
        raise HarnessError(
            f"the probe's document of {document.get('node')} has schema {document.get('schema')}, "
            f"this version reads {SCHEMA}"
        )
    try:
        return _ADAPTER.validate_python(document)
    except ValidationError as wrong:
        raise HarnessError(
            f"the probe's document of {document.get('node')} does not fit: {wrong}"
        ) from wrong
