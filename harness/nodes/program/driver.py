"""What nvidia-smi says of this node."""
# Python 3.6 has no `capture_output`; pathlib takes as long to import as all the rest together.
# ruff: noqa: UP022

import re
import subprocess
from typing import Any

from harness.nodes.program.document import Emit, unreadable

# What nvidia-smi is asked, and our names for it; names stand last because they may hold a comma.
QUERIES = {
    "gpus": (
        "--query-gpu=index,uuid,driver_version,memory.total,memory.used,name",
        ("index", "uuid", "driver", "memory_total_mib", "memory_used_mib", "name"),
    ),
    "compute_apps": (
        "--query-compute-apps=gpu_uuid,pid,used_gpu_memory,process_name",
        ("gpu_uuid", "pid", "memory_mib", "name"),
    ),
}
HEALTH = (
    "--query-gpu=uuid,ecc.errors.uncorrected.volatile.total,remapped_rows.pending,"
    "remapped_rows.failure"
)
# With --condition. A driver that does not know a field refuses its whole query: one for each age.
CONDITION_QUERIES = {
    "gpu_health": (
        HEALTH,
        ("uuid", "ecc_uncorrected", "remap_pending", "remap_failure"),
    ),
    "gpu_fabric": (
        "--query-gpu=uuid,fabric.state,fabric.status,fabric.cliqueId,fabric.clusterUuid",
        ("uuid", "state", "status", "clique_id", "cluster_uuid"),
    ),
    "gpu_recovery": ("--query-gpu=uuid,gpu_recovery_action", ("uuid", "action")),
}
# "CUDA Version" up to driver 590, "CUDA UMD version" in 610; older ones than 550 may not know the
# option. It is the newest CUDA that the driver takes, not the one that an image has.
CUDA_OF_DRIVER = re.compile(r"^CUDA (?:UMD )?version\s*:\s*(\S+)", re.MULTILINE | re.IGNORECASE)
NUMBERS = {"index", "pid", "memory_total_mib", "memory_used_mib", "memory_mib", "ecc_uncorrected"}


def read_cuda_of_driver(emit: Emit) -> None:
    """Emit the newest CUDA that the driver takes."""
    argv = ["nvidia-smi", "--version"]
    try:
        done = subprocess.run(argv, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except OSError as problem:
        emit(unreadable("cuda_of_driver", f"cannot run nvidia-smi: {problem.strerror}"))
        return
    said = done.stdout.decode("utf-8", "replace")
    found = CUDA_OF_DRIVER.search(said)
    if found:
        emit({"cuda_of_driver": found.group(1)})
    else:
        emit(unreadable("cuda_of_driver", f"nvidia-smi --version said: {said.strip()[:120]}"))


def query_driver(what: str, emit: Emit) -> None:
    """Emit the rows of one nvidia-smi query, or what it said instead."""
    option, names = dict(QUERIES, **CONDITION_QUERIES)[what]
    argv = ["nvidia-smi", option, "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(argv, check=False, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except OSError as problem:
        emit(unreadable(what, f"cannot run nvidia-smi: {problem.strerror}"))
        return
    lines = done.stdout.decode("utf-8", "replace").strip().splitlines()
    rows = [[cell.strip() for cell in line.split(",", len(names) - 1)] for line in lines]
    if done.returncode != 0 or any(len(row) != len(names) for row in rows):
        words = lines or done.stderr.decode("utf-8", "replace").strip().splitlines() or ["nothing"]
        said = f"nvidia-smi (exit status {done.returncode}) said: {words[0]}"
        emit(unreadable(what, said))
        return
    emit({what: [{key: to_value(key, cell) for key, cell in zip(names, row)} for row in rows]})


def to_value(name: str, cell: str) -> Any:
    """Return a cell's value; a number that the driver does not tell (``[N/A]``) is None."""
    return (int(cell) if cell.isdigit() else None) if name in NUMBERS else cell
