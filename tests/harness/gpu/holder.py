"""A process that holds GPU memory, through the CUDA driver alone (libcuda.so.1, no other library).

Usage: ``holder.py hold MIB [--deaf]``, ``holder.py orphan MIB``, ``holder.py export MIB``,
``holder.py import HANDLE``. It prints one JSON line when it holds the memory, and ends when its
standard input does, or on SIGTERM unless it is deaf.

- ``hold``: takes memory and keeps it.
- ``orphan``: a child in a session of its own holds; the parent ends at once.
- ``export``: takes memory and prints its CUDA IPC handle.
- ``import``: opens a handle of another process.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import signal
import sys

HANDLE_BYTES = 64
MIB = 1024 * 1024


class IpcHandle(ctypes.Structure):
    """CUipcMemHandle: 64 opaque bytes, passed by value."""

    _fields_ = (("reserved", ctypes.c_byte * HANDLE_BYTES),)


class Cuda:
    """One context on GPU 0."""

    def __init__(self) -> None:
        self._lib = ctypes.CDLL("libcuda.so.1")
        device, context = ctypes.c_int(), ctypes.c_void_p()
        self._call("cuInit", 0)
        self._call("cuDeviceGet", ctypes.byref(device), 0)
        self._call("cuCtxCreate_v2", ctypes.byref(context), 0, device)

    def allocate(self, mib: int) -> ctypes.c_uint64:
        """Take memory and write to all of it."""
        address = ctypes.c_uint64()
        self._call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(mib * MIB))
        self._call("cuMemsetD8_v2", address, ctypes.c_ubyte(1), ctypes.c_size_t(mib * MIB))
        self._call("cuCtxSynchronize")
        return address

    def export(self, address: ctypes.c_uint64) -> str:
        """Return the handle by which another process can map the memory, in hex."""
        handle = IpcHandle()
        self._call("cuIpcGetMemHandle", ctypes.byref(handle), address)
        return bytes(handle).hex()

    def open(self, handle: str) -> None:
        """Map another process's memory."""
        address = ctypes.c_uint64()
        known = IpcHandle.from_buffer_copy(bytes.fromhex(handle))
        self._call("cuIpcOpenMemHandle_v2", ctypes.byref(address), known, ctypes.c_uint(1))

    def _call(self, name: str, *arguments: object) -> None:
        code = getattr(self._lib, name)(*arguments)
        if code != 0:
            raise SystemExit(f"{name} failed with CUDA error {code}")


def say(**facts: object) -> None:
    """Tell who holds now."""
    print(json.dumps({"pid": os.getpid(), **facts}), flush=True)


def main(argv: list[str]) -> int:
    """Hold as the module says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["hold", "orphan", "export", "import"])
    parser.add_argument("amount")
    parser.add_argument("--deaf", action="store_true")
    asked = parser.parse_args(argv)
    if asked.deaf:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if asked.what == "orphan" and os.fork():
        os._exit(0)
    if asked.what == "orphan":
        os.setsid()
    cuda = Cuda()
    if asked.what == "import":
        cuda.open(asked.amount)
        say()
    else:
        address = cuda.allocate(int(asked.amount))
        say(**({"handle": cuda.export(address)} if asked.what == "export" else {}))
    sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
