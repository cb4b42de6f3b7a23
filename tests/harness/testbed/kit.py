"""What the testbed's tests share: a tiny image, and words about what is left on the machine."""

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from testbed.cluster.api import Cluster
from testbed.cluster.loop import attached
from testbed.cluster.procs import all_processes, namespace_of
from testbed.cluster.shape import Shape

SMALL = Shape(nodes=2, gpus_per_node=2, shm_mib=64, tmp_mib=64)
IMAGE = "/srv/images/tiny.sqsh"
IMAGE_VARIABLES = "PATH=/usr/local/bin:/usr/bin:/bin\nFROM_IMAGE=image\nBOTH=image\n"
MKSQUASHFS_DEADLINE_S = 20


def make_image(folder: Path, target: Path) -> None:
    """Make an image with nothing in it but the folders, links and variables a container needs."""
    root = folder / "root"
    for name in ("etc", "usr", "proc", "sys", "dev", "run", "tmp"):
        (root / name).mkdir(parents=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    (root / "etc" / "environment").write_text(IMAGE_VARIABLES)
    (root / "etc" / "of-the-image").write_text("image\n")
    command = ["mksquashfs", str(root), str(target), "-quiet", "-no-progress", "-noappend"]
    subprocess.run(command, check=True, capture_output=True, timeout=MKSQUASHFS_DEADLINE_S)


def in_container(*options: str) -> list[str]:
    """Return the start of an `srun` line that runs what follows in the tiny image."""
    return ["srun", f"--container-image={IMAGE}", *options]


@dataclass(frozen=True)
class Traces:
    """The namespaces of a running testbed, and when they were looked up (in ticks since boot).

    A namespace's number is used again once it is free: only what began before may be of this one.
    """

    namespaces: frozenset[str]
    until: int


def residue(cluster: Cluster, traces: Traces | None = None) -> list[str]:
    """Tell what of a testbed is on the machine: processes, namespaces, mounts, loop devices."""
    found = [
        f"process {process.pid} ({process.name}) in {namespace_of(process.pid, kind)}"
        for process in all_processes()
        for kind in ("pid", "net", "mnt")
        if traces
        and process.start <= traces.until
        and namespace_of(process.pid, kind) in traces.namespaces
    ]
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    found += [line for line in mounts if str(cluster.state.root) in line]
    return found + attached(cluster.state)


def traces_of(cluster: Cluster) -> Traces:
    """Return by what the processes of a running testbed can be told."""
    tree = cluster.tree()
    pids = [tree.anchor.pid, *(node.init.pid for node in tree.nodes.values())]
    own = {namespace_of(1, kind) for kind in ("pid", "net", "mnt")}
    found = {namespace_of(pid, kind) for pid in pids for kind in ("pid", "net", "mnt")}
    ticks = os.sysconf("SC_CLK_TCK")
    return Traces(frozenset(found - own), int(time.clock_gettime(time.CLOCK_BOOTTIME) * ticks))
