"""The files of a run in /dev/shm on this node."""
# pathlib takes as long to import as all the rest of the program together.
# ruff: noqa: PTH108, PTH116, PTH118, PTH119, PTH208

import contextlib
import os
import re
import stat
from typing import Dict, Iterable, List, Set, Tuple

from harness.guard.program.processes import all_pids, read_bytes

SHM = "/dev/shm"  # noqa: S108 - the subject
RUN_FILE = r"moe_shared_(\d{8}T\d{6}-\w+-[0-9a-f]{4})_"  # how names of a run's files begin


def run_files(run: str) -> Dict[str, str]:
    """Return the names in /dev/shm of a run's files (of every run's, if empty), with the run.

    Only plain files of our own user count.
    """
    found = {}
    for name in sorted(os.listdir(SHM)):
        match = re.match(RUN_FILE, name)
        if match and run in {match.group(1), ""}:
            with contextlib.suppress(OSError):
                info = os.lstat(os.path.join(SHM, name))
                if stat.S_ISREG(info.st_mode) and info.st_uid == os.geteuid():
                    found[name] = match.group(1)
    return found


def held_of(names: Iterable[str]) -> Set[str]:
    """Return those of some files in /dev/shm that a process has mapped or open, as far as seen."""
    inodes: Dict[int, str] = {}
    device = os.stat(SHM).st_dev
    for name in names:
        with contextlib.suppress(OSError):
            inodes[os.lstat(os.path.join(SHM, name)).st_ino] = name
    token = f" {os.major(device):02x}:{os.minor(device):02x} ".encode()
    held = set()
    for pid in all_pids() if inodes else ():
        with contextlib.suppress(OSError, ValueError):
            for line in read_bytes(f"/proc/{pid}/maps").splitlines():
                if token in line:
                    held.add(inodes.get(int(line.split(None, 5)[4]), ""))
            for number in os.listdir(f"/proc/{pid}/fd"):
                link = f"/proc/{pid}/fd/{number}"
                # Only names of interest are followed: a stat on a dead file system hangs.
                if os.path.basename(os.readlink(link)) in inodes.values():
                    held.add(inodes.get(os.stat(link).st_ino, ""))
    return held - {""}


def remove_files(run: str) -> Tuple[List[str], List[str]]:
    """Remove a run's files that nobody holds; return the names of those removed and those left."""
    names = run_files(run)
    held = held_of(names)
    for name in set(names) - held:
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(SHM, name))
    left = run_files(run)
    return [name for name in names if name not in left], list(left)
