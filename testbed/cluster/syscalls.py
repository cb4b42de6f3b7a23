"""Linux calls that Python 3.10 does not offer: mount, umount2, unshare, setns, prctl."""

from __future__ import annotations

import ctypes
import os

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18

MNT_DETACH = 2
PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
LOGIN_NAMESPACES = ("ipc", "uts", "net", "mnt", "pid")
"""Namespaces a process of the testbed lives in, in the order in which they are to be joined."""

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def mount(source: str, target: str, kind: str = "", *, flags: int = 0, data: str = "") -> None:
    """Mount `source` on `target`; raises OSError whose text names both."""
    result = _libc.mount(
        source.encode(),
        target.encode(),
        kind.encode() or None,
        ctypes.c_ulong(flags),
        data.encode() or None,
    )
    _check(result, f"mount {kind or 'bind'} {source} on {target}")


def bind(source: str, target: str, *, recursive: bool = True, read_only: bool = False) -> None:
    """Bind `source` on `target`, which must exist and be of the same kind (folder or file)."""
    mount(source, target, flags=MS_BIND | (MS_REC if recursive else 0))
    if read_only:
        mount("none", target, flags=MS_BIND | MS_REMOUNT | MS_RDONLY)


def make_mounts_private() -> None:
    """Cut this mount namespace off: what is mounted here is not seen outside, nor the reverse."""
    mount("none", "/", flags=MS_REC | MS_PRIVATE)


def detach(target: str) -> None:
    """Unmount `target` and all below it, at once for new look-ups."""
    _check(_libc.umount2(target.encode(), MNT_DETACH), f"umount {target}")


def unshare(flags: int) -> None:
    """Give this process new namespaces (for the PID namespace: its next child)."""
    _check(_libc.unshare(flags), "unshare")


def setns(fd: int) -> None:
    """Join the namespace behind `fd` (for a PID namespace: the next child does)."""
    _check(_libc.setns(fd, 0), "setns")


def die_with_parent(signal_number: int) -> None:
    """Have the kernel send `signal_number` to this process when its parent ends."""
    _check(_libc.prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(signal_number), 0, 0, 0), "prctl pdeathsig")


def set_process_name(name: str) -> None:
    """Name this process in /proc/PID/comm (15 characters at most)."""
    _check(_libc.prctl(PR_SET_NAME, ctypes.c_char_p(name.encode()[:15]), 0, 0, 0), "prctl name")
