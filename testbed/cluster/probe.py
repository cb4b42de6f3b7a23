"""Try the kernel features the testbed needs, in namespaces that end with this process."""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Callable
from pathlib import Path

from testbed.cluster import syscalls

SCRATCH = "/mnt"
IP_DEADLINE_S = 10


def missing_features() -> list[str]:
    """One line for each kernel feature that is missing, with what it is needed for."""
    try:
        syscalls.unshare(
            syscalls.CLONE_NEWNS
            | syscalls.CLONE_NEWNET
            | syscalls.CLONE_NEWUTS
            | syscalls.CLONE_NEWIPC
            | syscalls.CLONE_NEWPID
        )
        syscalls.make_mounts_private()
    except OSError as error:
        return [
            f"namespaces (mount, network, UTS, IPC, PID): {error}; a container needs --privileged"
        ]
    trials: list[tuple[str, Callable[[], None]]] = [
        ("tmpfs", _try_tmpfs),
        ("overlay file systems", _try_overlay),
        ("squashfs file systems (container images)", _try_squashfs),
        ("loop devices (container images)", _try_loop),
        ("bridge and veth interfaces", _try_network),
    ]
    return [line for name, trial in trials for line in _attempt(name, trial)]


def _attempt(name: str, trial: Callable[[], None]) -> list[str]:
    try:
        trial()
    except (OSError, RuntimeError) as error:
        return [f"kernel: {name}: {error}"]
    return []


def _try_tmpfs() -> None:
    syscalls.mount("tmpfs", SCRATCH, "tmpfs", data="mode=0755")


def _try_overlay() -> None:
    for name in ("lower", "upper", "work", "merged"):
        Path(SCRATCH, name).mkdir()
    data = f"lowerdir={SCRATCH}/lower,upperdir={SCRATCH}/upper,workdir={SCRATCH}/work"
    syscalls.mount("overlay", f"{SCRATCH}/merged", "overlay", data=data)


def _try_squashfs() -> None:
    """Mounting nothing must fail; only "no such file system" is the failure looked for."""
    try:
        syscalls.mount("none", SCRATCH, "squashfs")
    except OSError as error:
        if error.errno == errno.ENODEV:
            raise


def _try_loop() -> None:
    if not Path("/dev/loop-control").exists():
        raise RuntimeError("/dev/loop-control is missing; `modprobe loop`")


def _try_network() -> None:
    lines = "link add probe-bridge type bridge\nlink add name probe-a type veth peer name probe-b\n"
    done = subprocess.run(
        ["ip", "-batch", "-"],
        input=lines,
        text=True,
        capture_output=True,
        timeout=IP_DEADLINE_S,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip() or f"ip ended with {done.returncode}")
