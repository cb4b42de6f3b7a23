"""Memory that a rank holds on a real GPU: the same verbs as on an emulated one (``gpu.py``)."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from . import cuda
from .gpu import Gpu, OutOfMemoryError, refusal

_DEVICES = "/dev/nvidia"


class RealGpuMemory:
    """Memory on one real GPU, held as long as a process has the driver's files open."""

    def __init__(self, gpu: Gpu) -> None:
        self.gpu = gpu
        self._context: cuda.Context | None = None

    def open_context(self) -> None:
        """Take what the driver takes itself before any model."""
        driver = cuda.driver()
        if driver is None:
            raise RuntimeError("Found no NVIDIA driver on your system.")
        self._context = cuda.Context(driver, self.gpu.index)

    def free_mib(self) -> int:
        """Return what nobody holds."""
        return self._opened().free_mib()

    def allocate(self, memory_mib: int) -> None:
        """Take memory; raise :class:`OutOfMemoryError` when the driver says that it has none."""
        if not memory_mib:
            return
        try:
            self._opened().allocate(memory_mib)
        except cuda.CudaError as error:
            if error.code != cuda.OUT_OF_MEMORY:
                raise
            raise OutOfMemoryError(refusal(self.gpu, memory_mib, self.free_mib())) from error

    def release(self, *, back_s: float = 0.0) -> None:
        """Give all of it back; raise ValueError for a ``back_s``: the driver takes its own time."""
        if back_s:
            raise ValueError("how long a real driver takes to have memory back cannot be set")
        if self._context is not None:
            self._context.close()
            self._context = None

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The driver's files that this process has open: who inherits them holds the memory."""
        return tuple(
            number for number, target in _open_files().items() if target.startswith(_DEVICES)
        )

    def abandon(self) -> None:
        """Close the driver's files and leave the memory to who has inherited them."""
        for descriptor in self.descriptors:
            os.close(descriptor)
        self._context = None

    def _opened(self) -> cuda.Context:
        if self._context is None:
            raise RuntimeError(f"no context was opened on GPU {self.gpu.index}")
        return self._context


def real_gpus() -> list[Gpu]:
    """Return the GPUs that the driver gives this process; none where there is no driver."""
    driver = cuda.driver()
    if driver is None:
        return []
    return [
        Gpu(each.ordinal, each.uuid, each.name, each.memory_total_mib, real=True)
        for each in driver.devices()
    ]


def _open_files() -> dict[int, str]:
    found = {}
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the one that lists the folder is closed by now
            found[int(path.name)] = str(path.readlink())
    return found
