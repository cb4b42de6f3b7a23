"""The CUDA driver (``libcuda.so.1``): what a rank needs to hold memory on a real GPU."""

from __future__ import annotations

import ctypes
import functools
from dataclasses import dataclass

LIBRARY = "libcuda.so.1"
OUT_OF_MEMORY = 2
"""CUDA_ERROR_OUT_OF_MEMORY."""

_MIB = 1024 * 1024
_NAME_BYTES = 100


class CudaError(RuntimeError):
    """A call of the driver that failed: its name, and the driver's word for it."""

    def __init__(self, call: str, code: int, word: str) -> None:
        super().__init__(f"CUDA error: {call}: {word} ({code})")
        self.code = code


@dataclass(frozen=True)
class Device:
    """One GPU as the driver numbers it for this process: after CUDA_VISIBLE_DEVICES."""

    ordinal: int
    uuid: str
    name: str
    memory_total_mib: int


class Driver:
    """The driver, ready to be called; OSError without the library, CudaError without a GPU."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(LIBRARY)
        self.call("cuInit", ctypes.c_uint(0))

    def call(self, name: str, *arguments: object) -> None:
        """Call a function of the driver; raise CudaError unless it says that all went well."""
        code = int(getattr(self._library, name)(*arguments))
        if code:
            raise CudaError(name, code, self._word(code))

    def devices(self) -> list[Device]:
        """Return the GPUs of this process."""
        count = ctypes.c_int()
        self.call("cuDeviceGetCount", ctypes.byref(count))
        return [self._device(ordinal) for ordinal in range(count.value)]

    def _device(self, ordinal: int) -> Device:
        device, total = ctypes.c_int(), ctypes.c_size_t()
        uuid, name = (ctypes.c_ubyte * 16)(), ctypes.create_string_buffer(_NAME_BYTES)
        self.call("cuDeviceGet", ctypes.byref(device), ctypes.c_int(ordinal))
        self.call("cuDeviceGetUuid", ctypes.byref(uuid), device)
        self.call("cuDeviceGetName", name, ctypes.c_int(_NAME_BYTES), device)
        self.call("cuDeviceTotalMem_v2", ctypes.byref(total), device)
        return Device(ordinal, uuid_text(bytes(uuid)), name.value.decode(), total.value // _MIB)

    def _word(self, code: int) -> str:
        word = ctypes.c_char_p()
        if self._library.cuGetErrorName(ctypes.c_int(code), ctypes.byref(word)) or not word.value:
            return "unknown error"
        return word.value.decode()


class Context:
    """A context of this process on one GPU, and the memory taken in it."""

    def __init__(self, driver: Driver, ordinal: int) -> None:
        self._driver = driver
        self._handle = ctypes.c_void_p()
        self._taken: list[ctypes.c_uint64] = []
        device = ctypes.c_int()
        driver.call("cuDeviceGet", ctypes.byref(device), ctypes.c_int(ordinal))
        driver.call("cuCtxCreate_v2", ctypes.byref(self._handle), ctypes.c_uint(0), device)

    def free_mib(self) -> int:
        """Return what the GPU has free, whoever holds the rest."""
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        self._enter()
        self._driver.call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
        return free.value // _MIB

    def allocate(self, memory_mib: int) -> None:
        """Take memory and write to all of it; raise CudaError, as the driver refuses."""
        address, size = ctypes.c_uint64(), ctypes.c_size_t(memory_mib * _MIB)
        self._enter()
        self._driver.call("cuMemAlloc_v2", ctypes.byref(address), size)
        self._taken.append(address)
        self._driver.call("cuMemsetD8_v2", address, ctypes.c_ubyte(1), size)
        self._driver.call("cuCtxSynchronize")

    def close(self) -> None:
        """Free the memory and end the context."""
        self._enter()
        for address in self._taken:
            self._driver.call("cuMemFree_v2", address)
        self._taken.clear()
        self._driver.call("cuCtxDestroy_v2", self._handle)

    def _enter(self) -> None:
        """Make the context current: it is so for a thread, not for a process."""
        self._driver.call("cuCtxSetCurrent", self._handle)


@functools.cache
def driver() -> Driver | None:
    """Return this process's driver; None on a machine without one, or without a GPU."""
    try:
        return Driver()
    except (OSError, CudaError):
        return None


def uuid_text(raw: bytes) -> str:
    """Return a GPU's UUID as nvidia-smi writes it."""
    digits = raw.hex()
    parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
    return "GPU-" + "-".join(parts)
