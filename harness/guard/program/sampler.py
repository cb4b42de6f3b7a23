"""GPU memory of this node over time: a line every few seconds, in a file of the run directory.

It is for a plot alone, and nothing waits for it. It runs in a thread of the guard and ends with it,
however that ends; a driver or a file system that hangs holds this thread and nobody else. What
cannot be read is a point less.
"""
# Python 3.6 has no `capture_output`; pathlib takes as long to import as all the rest together.
# ruff: noqa: UP022, PTH123

import json
import os
import subprocess
import threading
import time
from typing import Dict

LIMIT_S = 20.0  # a driver that takes longer is not asked again
QUERY = ("nvidia-smi", "--query-gpu=index,memory.used", "--format=csv,noheader,nounits")


def sample_beside(folder: str, node: str, every_s: float) -> None:
    """Begin to write ``<folder>/<node>.jsonl``, from a thread that ends when this process does."""
    file = os.path.join(folder, node + ".jsonl")  # noqa: PTH118 - as above
    threading.Thread(target=sample, args=(file, every_s), daemon=True).start()


def sample(file: str, every_s: float) -> None:
    """Write a line now and every few seconds, until the driver or the file says no."""
    try:
        with open(file, "a", buffering=1) as lines:
            while True:
                at = time.time()
                used_mib = memory_used()
                if used_mib:
                    lines.write(json.dumps({"at": round(at, 3), "used_mib": used_mib}) + "\n")
                time.sleep(every_s)
    except (OSError, subprocess.SubprocessError):
        return


def memory_used() -> Dict[str, int]:
    """Return MiB by index of the GPU; without those whose driver does not tell."""
    done = subprocess.run(
        QUERY,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=LIMIT_S,
    )
    rows = [line.split(",") for line in done.stdout.decode("utf-8", "replace").splitlines()]
    cells = [[cell.strip() for cell in row] for row in rows if len(row) == 2]
    return {index: int(used) for index, used in cells if used.isdigit()}
