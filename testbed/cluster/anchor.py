"""The anchor: PID 1 of the testbed's outer PID namespace.

Everything of a testbed is a descendant of this process and lives in its namespaces. When it ends,
however it ends, the kernel kills every process in them and frees every mount, interface and
namespace: that is what lets `down` leave nothing behind.
"""

from __future__ import annotations

import os
import secrets
import select
import socket
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import NoReturn

from testbed.cluster import loop, network, syscalls
from testbed.cluster.mounts import build_host_view
from testbed.cluster.node import COMM_PREFIX, DAEMON_ENVIRONMENT, log, run_node_init
from testbed.cluster.paths import image_key
from testbed.cluster.procs import wait_for
from testbed.cluster.shape import LOGIN_NAME
from testbed.cluster.slurmconf import MUNGE_SOCKET
from testbed.cluster.spec import Spec

OWN_NAMESPACES = (
    syscalls.CLONE_NEWNS
    | syscalls.CLONE_NEWUTS
    | syscalls.CLONE_NEWIPC
    | syscalls.CLONE_NEWPID
    | syscalls.CLONE_NEWNET
)
START_DEADLINE_S = 20
STARTED_FILE = "started"


def launch_anchor(spec: Spec) -> int:
    """Fork the anchor and return its pid; it waits until `b"go"` comes on standard input.

    The caller writes the pid down first, so that there is never an anchor nobody knows of.
    """
    syscalls.unshare(OWN_NAMESPACES)
    pid = os.fork()
    if pid:
        return pid
    try:
        if sys.stdin.buffer.readline().strip() != b"go":
            os._exit(1)
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        _run(spec)
    except BaseException:  # noqa: BLE001 - PID 1 has no caller: its log is where this can be told
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


def _run(spec: Spec) -> NoReturn:
    os.setsid()
    os.chdir("/")
    os.umask(0o022)
    syscalls.set_process_name(COMM_PREFIX + "anchor")
    socket.sethostname(LOGIN_NAME)
    syscalls.make_mounts_private()
    _mount_images(spec)
    munge = spec.state.mountpoints / "munge"
    syscalls.mount("tmpfs", str(munge), "tmpfs", data="mode=0755,size=1m")
    nodes = {name: _fork_node(spec, name=name) for name in spec.shape.names}
    build_host_view(spec, name=LOGIN_NAME, gpus=0)
    network.make_switch({name: pipes.pid for name, pipes in nodes.items()})
    _start_munged(spec)
    for pipes in nodes.values():
        os.write(pipes.go, b"g")
        os.close(pipes.go)
    for name, pipes in nodes.items():
        _await_ready(pipes.ready, name=name)
    (spec.state.root / STARTED_FILE).touch()
    log(f"anchor: {len(nodes)} nodes started")
    _supervise(spec, {pipes.pid: name for name, pipes in nodes.items()})


def _mount_images(spec: Spec) -> None:
    """Mount each image once: its nodes' containers share one page cache."""
    for image in sorted(spec.state.images.glob("*.sqsh")):
        target = spec.state.image_mounts / image_key(image)
        target.mkdir(parents=True, exist_ok=True)
        try:
            _mount_image(image, target, tag=loop.tag_of(spec.state))
        except OSError as error:
            # A step that asks for this image gets its own error; others are not hurt by it.
            log(f"anchor: cannot mount {image}: {error}")
            target.rmdir()


def _mount_image(image: Path, target: Path, *, tag: str) -> None:
    fd, device = loop.attach(image, tag=tag)
    try:
        syscalls.mount(
            device, str(target), "squashfs", flags=syscalls.MS_RDONLY | syscalls.MS_NODEV
        )
    finally:
        os.close(fd)


class _Pipes:
    """A node's init in the anchor's eyes: its pid, and the ends to start it and to hear of it."""

    def __init__(self, *, pid: int, go: int, ready: int) -> None:
        self.pid, self.go, self.ready = pid, go, ready


def _fork_node(spec: Spec, *, name: str) -> _Pipes:
    go_read, go_write = os.pipe()
    ready_read, ready_write = os.pipe()
    middle = os.fork()
    if middle == 0:
        os.close(go_write)
        os.close(ready_read)
        _become_node(spec, name=name, go=go_read, ready=ready_write)
    os.close(go_read)
    os.close(ready_write)
    pid_text = os.read(ready_read, 16)
    os.waitpid(middle, 0)
    if not pid_text:
        raise RuntimeError(f"{name}: no namespaces could be made")
    return _Pipes(pid=int(pid_text), go=go_write, ready=ready_read)


def _become_node(spec: Spec, *, name: str, go: int, ready: int) -> NoReturn:
    """In the forked child: new namespaces, then the node's init as their PID 1."""
    try:
        syscalls.unshare(OWN_NAMESPACES)
        pid = os.fork()
        if pid:
            os.write(ready, str(pid).encode())
            os._exit(0)
        run_node_init(spec, name=name, go=go, ready=ready)
    except BaseException:  # noqa: BLE001 - PID 1 has no caller: its log is where this can be told
        log(f"{name}: init failed")
        traceback.print_exc()
    os._exit(1)


def _await_ready(ready: int, *, name: str) -> None:
    readable, _, _ = select.select([ready], [], [], START_DEADLINE_S)
    if not readable or os.read(ready, 1) != b"r":
        raise RuntimeError(f"{name} did not start within {START_DEADLINE_S} s")
    os.close(ready)


def _start_munged(spec: Spec) -> None:
    """One munged for all hosts; its key lives in memory and is new at every start."""
    key = Path("/run/munge/munge.key")
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    command = ["munged", "--foreground", f"--socket={MUNGE_SOCKET}", f"--key-file={key}"]
    command += ["--pid-file=/run/munge/munged.pid", "--seed-file=/run/munge/munged.seed"]
    with spec.state.log_of("munged").open("ab") as out:
        process = subprocess.Popen(
            command, env=DAEMON_ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
    if not wait_for(Path(MUNGE_SOCKET).exists, timeout_s=START_DEADLINE_S):
        raise RuntimeError(f"munged made no socket within {START_DEADLINE_S} s")
    process.returncode = 0  # Reaped by the supervisor below, not by Popen.


def _supervise(spec: Spec, nodes: dict[int, str]) -> NoReturn:
    """Reap what ends; end when the record in the state folder is no longer about this testbed."""
    record = spec.state.record
    identity = record.stat().st_ino
    while True:
        _reap(nodes)
        try:
            if record.stat().st_ino != identity:
                break
        except FileNotFoundError:
            break
        time.sleep(0.5)
    log("anchor: the record in the state folder is gone; ending")
    os._exit(0)


def _reap(nodes: dict[int, str]) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        if pid in nodes:
            log(f"anchor: {nodes.pop(pid)} ended with {os.waitstatus_to_exitcode(status)}")
