"""The GPUs of a node, and memory on emulated ones that is held as long as a process lives.

A node's driver state is a folder that all its processes share (``/run/emulated-gpu``):

- ``gpus.json``: driver and CUDA version, and per GPU index, uuid, name, memory_total_mib, bus_id;
- ``holders/*.json``: one file per allocation (gpu_uuid, pid, process_name, memory_mib), kept
  locked with flock by its holder. The kernel drops the lock when the last process that inherited
  the descriptor is gone, however it died: memory comes back exactly when a real driver would give
  it back. A driver that takes its time for it leaves a file without a lock that says until when,
  on the monotonic clock (back_at_s).

A node without that file has its real GPUs, if it has any: ``real_gpu.py``.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ.get("EMULATED_GPU_FOLDER", "/run/emulated-gpu"))
_DEVICES = Path("/dev")
_CONTEXT_MIB = 600


class OutOfMemoryError(RuntimeError):
    """CUDA out of memory, in the words of torch."""


@dataclass(frozen=True)
class Gpu:
    """One GPU; a real one is held through the CUDA driver."""

    index: int
    uuid: str
    name: str
    memory_total_mib: int
    real: bool = False


@dataclass(frozen=True)
class Holding:
    """One allocation of a living process, or of none: what the driver has not got back yet."""

    gpu_uuid: str
    pid: int | None
    memory_mib: int


def visible_gpus(folder: Path = FOLDER) -> list[Gpu]:
    """Return the GPUs that CUDA_VISIBLE_DEVICES leaves to this process.

    None when the node has no driver, neither an emulated nor a real one.
    """
    try:
        content = json.loads((folder / "gpus.json").read_text(encoding="utf-8"))
    except OSError:
        from .real_gpu import real_gpus

        return real_gpus()
    gpus = [Gpu(g["index"], g["uuid"], g["name"], g["memory_total_mib"]) for g in content["gpus"]]
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        return gpus
    names = [part.strip() for part in chosen.split(",")]
    return [gpu for name in names for gpu in gpus if name in (str(gpu.index), gpu.uuid)]


class GpuMemory:
    """Memory that this process holds on one GPU, allocation by allocation."""

    def __init__(self, gpu: Gpu, folder: Path = FOLDER, devices: Path = _DEVICES) -> None:
        self.gpu = gpu
        self._folder = folder / "holders"
        self._held: dict[Path, int] = {}
        # A CUDA context keeps these devices open.
        self._devices = [
            os.open(devices / name, os.O_RDONLY | os.O_CLOEXEC)
            for name in ("nvidiactl", "nvidia-uvm", f"nvidia{gpu.index}")
            if (devices / name).exists()
        ]

    def open_context(self) -> None:
        """Take what a CUDA context and its libraries take before any model."""
        self.allocate(_CONTEXT_MIB)

    def free_mib(self) -> int:
        """Return what nobody holds."""
        with self._exclusive():
            return self._free()

    def allocate(self, memory_mib: int) -> None:
        """Take memory; raise :class:`OutOfMemoryError` when the GPU has less than that free."""
        with self._exclusive():
            free = self._free()
            if memory_mib > free:
                raise OutOfMemoryError(self._refusal(memory_mib, free))
            self._hold(memory_mib)

    def release(self, *, back_s: float = 0.0) -> None:
        """Give all of it back; the driver has it after ``back_s`` seconds."""
        with self._exclusive():
            for path in self._held:
                if back_s:
                    self._leave_to_driver(path, time.monotonic() + back_s)
                else:
                    path.unlink(missing_ok=True)
            self.abandon()

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What is open: who inherits it holds the memory, and the devices."""
        return (*self._held.values(), *self._devices)

    def abandon(self) -> None:
        """Close what is open and leave the rest to who has inherited it."""
        for descriptor in self._held.values():
            os.close(descriptor)
        self._held.clear()
        for descriptor in self._devices:
            os.close(descriptor)
        self._devices.clear()

    def _hold(self, memory_mib: int) -> None:
        entry = {
            "gpu_uuid": self.gpu.uuid,
            "pid": os.getpid(),
            "process_name": _process_name(),
            "memory_mib": memory_mib,
        }
        path = self._folder / f"{os.getpid()}-{time.monotonic_ns()}.json"
        draft = path.with_suffix(".draft")
        # Locked before it gets its name: no reader may take it for memory of a dead process.
        descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.write(descriptor, json.dumps(entry).encode())
        draft.rename(path)
        self._held[path] = descriptor

    @staticmethod
    def _leave_to_driver(path: Path, back_at_s: float) -> None:
        entry = json.loads(path.read_text(encoding="utf-8"))
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps({**entry, "back_at_s": back_at_s}), encoding="utf-8")
        draft.replace(path)

    def _free(self) -> int:
        used = sum(
            h.memory_mib for h in holdings(self._folder, clear=True) if h.gpu_uuid == self.gpu.uuid
        )
        return self.gpu.memory_total_mib - used

    def _refusal(self, memory_mib: int, free_mib: int) -> str:
        others = [h for h in holdings(self._folder) if h.gpu_uuid == self.gpu.uuid]
        by_process: dict[int, int] = {}
        for holding in others:
            if holding.pid is None:
                continue
            by_process[holding.pid] = by_process.get(holding.pid, 0) + holding.memory_mib
        in_use = " ".join(
            f"Process {pid} has {_gib(mib)} memory in use." for pid, mib in by_process.items()
        )
        return f"{refusal(self.gpu, memory_mib, free_mib)} {in_use}".rstrip()

    @contextlib.contextmanager
    def _exclusive(self) -> Iterator[None]:
        """One process at a time looks and takes."""
        descriptor = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def holdings(folder: Path, *, clear: bool = False) -> list[Holding]:
    """Return the allocations that are not free; ``clear`` removes the files of those that are."""
    result = []
    for path in sorted(folder.glob("*.json")):
        entry = _taken_entry(path, clear=clear)
        if entry is not None:
            pid = None if "back_at_s" in entry else entry["pid"]
            result.append(Holding(entry["gpu_uuid"], pid, entry["memory_mib"]))
    return result


def _taken_entry(path: Path, *, clear: bool) -> dict[str, Any] | None:
    try:
        with path.open("rb") as file:
            content: dict[str, Any] = json.load(file)
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return content
    except FileNotFoundError:
        return None
    if content.get("back_at_s", 0.0) > time.monotonic():
        return content
    if clear:
        path.unlink(missing_ok=True)
    return None


def _process_name() -> str:
    """Return this process's name as nvidia-smi tells it: the first word of its command line."""
    return Path("/proc/self/cmdline").read_bytes().partition(b"\0")[0].decode(errors="replace")


def refusal(gpu: Gpu, memory_mib: int, free_mib: int) -> str:
    """Return torch's words for memory that a GPU does not have."""
    return (
        f"CUDA out of memory. Tried to allocate {_gib(memory_mib)}. "
        f"GPU {gpu.index} has a total capacity of {_gib(gpu.memory_total_mib)} "
        f"of which {_gib(free_mib)} is free."
    )


def _gib(mib: int) -> str:
    return f"{mib / 1024:.2f} GiB"
