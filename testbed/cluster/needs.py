"""What the testbed needs of the machine, checked before anything is started."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from testbed.cluster.errors import NeedsMissing
from testbed.cluster.hosts import SYSTEM_PYTHON, boot_command
from testbed.cluster.paths import StateFolder
from testbed.cluster.shape import Shape
from testbed.gpu.devices import device_files

PROGRAMS = {
    "slurmctld": "slurmctld",
    "slurmd": "slurmd",
    "srun": "slurm-client",
    "munged": "munge",
    "ip": "iproute2",
    "mount": "mount",
    "cc": "gcc",
    SYSTEM_PYTHON: "python3",
}
FILES = {
    "/usr/include/slurm/spank.h": "libslurm-dev",
    "/usr/include/stdio.h": "libc6-dev",
}
PMIX_PLUGIN = "mpi_pmix.so"
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
PROBE_DEADLINE_S = 20


def check(state: StateFolder, shape: Shape) -> None:
    """Raise NeedsMissing that names everything missing; return when there is nothing."""
    problems = [*_privilege(), *_packages(), *(real_gpu_problems(shape) if shape.real_gpus else [])]
    if not problems:
        problems = [*_kernel(), *_state_folder(state)]
    if problems:
        raise NeedsMissing(
            "testbed: this machine lacks:\n" + "\n".join(f"  - {p}" for p in problems)
        )


def _privilege() -> list[str]:
    if os.geteuid() == 0:
        return []
    return ["root: namespaces, mounts and Slurm's daemons need it; run it as root or with sudo"]


def _packages() -> list[str]:
    path = f"{SYSTEM_PATH}:{os.environ.get('PATH', '')}"
    found = {name: shutil.which(name, path=path) for name in PROGRAMS}
    missing = {name: PROGRAMS[name] for name, where in found.items() if where is None}
    missing.update({name: package for name, package in FILES.items() if not Path(name).exists()})
    if not any(Path("/usr/lib").glob(f"*/slurm*/{PMIX_PLUGIN}")):
        missing[f"Slurm's {PMIX_PLUGIN}"] = "slurm-wlm-basic-plugins libpmix-dev"
    if not missing:
        return []
    packages = " ".join(sorted(set(" ".join(missing.values()).split())))
    return [
        *(f"{name} (Debian package {package})" for name, package in missing.items()),
        f"-> apt-get install {packages}",
    ]


def real_gpu_problems(shape: Shape) -> list[str]:
    """Tell what is in the way: Slurm's number of GPUs has to be what `nvidia-smi` shows."""
    problems = []
    if shutil.which("nvidia-smi", path=SYSTEM_PATH) is None:
        problems.append(f"nvidia-smi in {SYSTEM_PATH} (real GPUs were asked for)")
    found = sum(file.is_gpu for file in device_files())
    if found != shape.gpus_per_node:
        problems.append(
            f"{shape.gpus_per_node} NVIDIA GPUs: it has {found} (--gpus-per-node says how many)"
        )
    return problems


LONGEST_STATE = 107 - len("/spool/node18/node18_99999.4294967290")
"""Bytes of the path: Linux takes 107 for a socket, and slurmstepd's is named by job and step."""


def _kernel() -> list[str]:
    """Try every kernel feature for real, in a process that is thrown away."""
    done = subprocess.run(
        boot_command("probe"),
        capture_output=True,
        text=True,
        timeout=PROBE_DEADLINE_S,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line]
    if done.returncode == 0:
        return lines
    return lines or [f"kernel features could not be tried: {done.stderr.strip()[-300:]}"]


def _state_folder(state: StateFolder) -> list[str]:
    length = len(os.fsencode(state.root))
    if length > LONGEST_STATE:
        wanted = f"a state folder with a path of at most {LONGEST_STATE} bytes"
        why = f"for Slurm's sockets lie below it: {state.root} has {length}"
        return [f"{wanted}, {why} (TESTBED_STATE names another one)"]
    try:
        state.root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return [f"a writable state folder: {error} (TESTBED_STATE names another one)"]
    return []
