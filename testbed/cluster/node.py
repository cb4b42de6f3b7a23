"""A node's init: PID 1 of the node's PID namespace.

It builds the node's view, connects it, starts its daemons and then reaps what ends in the node. It
outlives its daemons: a node whose slurmd died is a node with a dead slurmd, as on a real machine.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from typing import NoReturn

from testbed.cluster import network, syscalls
from testbed.cluster.mounts import GPU_FOLDER, build_host_view
from testbed.cluster.spec import Spec
from testbed.gpu import write_node_gpus

DAEMON_ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
}
COMM_PREFIX = "tb-"


def log(text: str) -> None:
    """One line into the anchor's log."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def run_node_init(spec: Spec, *, name: str, go: int, ready: int) -> NoReturn:
    """Become host `name`; waits for a byte on `go` (its cable is there), says so on `ready`."""
    syscalls.set_process_name(COMM_PREFIX + name)
    socket.sethostname(name)
    if os.read(go, 1) != b"g":
        os._exit(1)
    build_host_view(spec, name=name, gpus=spec.shape.gpus_per_node)
    network.connect_node(spec.shape, name=name)
    if not spec.shape.real_gpus:
        write_node_gpus(GPU_FOLDER, node=name, count=spec.shape.gpus_per_node)
    daemons = start_daemons(spec, name=name)
    os.write(ready, b"r")
    os.close(ready)
    reap_for_ever(daemons, name=name)


def start_daemons(spec: Spec, *, name: str) -> dict[int, str]:
    """Start slurmd, and slurmctld on the first node; returns their names by pid."""
    commands = {"slurmd": ["slurmd", "-D", "-N", name]}
    if name == spec.shape.names[0]:
        commands = {"slurmctld": ["slurmctld", "-D", "-c"], **commands}
    pids = {}
    for daemon, command in commands.items():
        process = subprocess.Popen(
            command,
            env=DAEMON_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        pids[process.pid] = daemon
        # PID 1 reaps everything itself; Popen's own bookkeeping must not warn about it.
        process.returncode = 0
    return pids


def reap_for_ever(daemons: dict[int, str], *, name: str) -> NoReturn:
    """Reap every process of the node that ends; a daemon's end is told in the log."""
    while True:
        try:
            pid, status = os.wait()
        except ChildProcessError:
            time.sleep(
                0.2
            )  # Nothing runs in the node; a task entering it makes this wait work again.
            continue
        if pid in daemons:
            code = os.waitstatus_to_exitcode(status)
            log(f"{name}: {daemons.pop(pid)} ended with {code}")
