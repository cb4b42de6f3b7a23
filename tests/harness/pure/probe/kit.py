"""What the tests of the probe share: how it is run, and what is there for it to find."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from harness.nodes.inspection import probe_text
from harness.nodes.snapshot import (
    JobProcess,
    NodeSnapshot,
    ShmEntry,
    parse_snapshots,
)

SHM = Path("/dev/shm")
GPUS = """\
0, GPU-aa, 580.95.05, 189471, 1500, NVIDIA GB200
1, GPU-bb, 580.95.05, 189471, [N/A], NVIDIA GB200, engineering sample
"""
APPS = """\
GPU-aa, 4711, 1400, /opt/dynamo/bin/python3
GPU-bb, [N/A], [N/A], [Insufficient Permissions]
"""

# Python's own mmap keeps a descriptor; the ranks' mappings outlive theirs.
MAP_AND_CLOSE = """
import ctypes, os
f = os.open(path, os.O_RDWR)
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
assert libc.mmap(None, ctypes.c_size_t(4096), 3, 1, f, ctypes.c_long(0)) != 2**64 - 1
os.close(f)
"""

SmiDouble = Callable[[str], None]


@contextmanager
def running(code: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """Run Python code that prints one line when it is there, and ends when its input does."""
    child = subprocess.Popen(
        [sys.executable, "-c", f"import sys\n{code}\nprint('there', flush=True)\nsys.stdin.read()"],
        env={"PATH": "/usr/bin:/bin", **variables},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "there\n"
        yield child
    finally:
        child.communicate(timeout=10)


def output_of(
    *options: str,
    user: int | None = None,
    instead: Mapping[str, Path] | None = None,
    **variables: str,
) -> str:
    """Run the probe as srun does: from standard input, isolated from the user's Python settings.

    ``instead`` has folders of this machine that the probe shall read at another place.
    """
    text = probe_text()
    for folder, other in (instead or {}).items():
        assert text.count(f'"{folder}"') == 1, folder
        text = text.replace(f'"{folder}"', f'"{other}"')
    done = subprocess.run(
        [os.path.realpath(sys.executable), "-I", "-S", "-", *options],
        check=True,
        capture_output=True,
        env={"PATH": os.environ["PATH"], "SLURMD_NODENAME": "node1", **variables},
        input=text,
        text=True,
        timeout=30,
        user=user,
    )
    assert done.stderr == ""
    return done.stdout


def probed(
    *options: str,
    user: int | None = None,
    instead: Mapping[str, Path] | None = None,
    **variables: str,
) -> NodeSnapshot:
    """Return the probe's answer."""
    text = output_of(*options, user=user, instead=instead, **variables)
    return parse_snapshots(text, expected_nodes=["node1"]).nodes["node1"]


def entry_of(node: NodeSnapshot, name: str) -> ShmEntry:
    """Return one file of /dev/shm."""
    (entry,) = [entry for entry in node.shm or () if entry.name == name]
    return entry


def by_pid(node: NodeSnapshot) -> Mapping[int, JobProcess]:
    """Return the job's processes by pid."""
    return {process.pid: process for process in node.processes or ()}


def answer(gpus: str = GPUS, apps: str = APPS) -> str:
    """Return the shell body of an nvidia-smi that answers both queries."""
    return f"""case "$1" in
--query-gpu=*) cat <<'END'\n{gpus}END\n;;
--query-compute-apps=*) cat <<'END'\n{apps}END\n;;
*) exit 2;;
esac"""
