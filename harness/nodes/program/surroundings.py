"""What a node is besides what it holds: its kernel, its addresses, its devices, its folders."""
# Python 3.6 has no `capture_output`; pathlib takes as long to import as all the rest together.
# ruff: noqa: PTH112, PTH208

import os
import re
from typing import List

from harness.nodes.program.document import Document, Emit, read_bytes, unreadable

IMEX = "/dev/nvidia-caps-imex-channels"
HUGE_PAGES = "/sys/kernel/mm/transparent_hugepage/enabled"
KERNEL_LOG = "/dev/kmsg"
ROUTES = "/proc/net/fib_trie"
# The kernel's own words have a priority below 8; a program's would not be believed.
XID = re.compile(r"^[0-7],\d+,(\d+),[^;]*;NVRM: Xid \(PCI:([^)]+)\): (\d+)(.*)$", re.MULTILINE)


class Surroundings:
    """Reads what a node is besides what it holds: its kernel, its addresses, its devices."""

    def run(self, emit: Emit) -> None:
        """Emit a part for each."""
        for look in (self.read_imex, self.read_thp, self.read_addresses, self.read_xids):
            try:
                emit(look())
            except (OSError, ValueError, LookupError) as problem:
                said = f"{type(problem).__name__}: {problem}"
                emit(unreadable(look.__name__.replace("read_imex", "read_imex_channels")[5:], said))

    def read_imex(self) -> Document:
        """List the IMEX channels: memory of GPUs of other nodes is mapped through one."""
        return {"imex_channels": sorted(os.listdir(IMEX)) if os.path.isdir(IMEX) else []}

    def read_thp(self) -> Document:
        """Read how transparent huge pages are set: the word in brackets."""
        return {"thp": re.findall(rb"\[(\w+)\]", read_bytes(HUGE_PAGES))[0].decode()}

    def read_addresses(self) -> Document:
        """Read the node's own IPv4 addresses."""
        found = re.findall(r"\|-- (\S+)\n\s+/32 host LOCAL", read_bytes(ROUTES).decode())
        return {"addresses": sorted(set(found))}

    def read_xids(self) -> Document:
        """Read the driver's errors in the kernel's log, with their age; nothing is waited for."""
        uptime_s = float(read_bytes("/proc/uptime").split()[0])
        log, record = b"", b"-"
        kernel = os.open(KERNEL_LOG, os.O_RDONLY | os.O_NONBLOCK)
        while record:
            try:
                record = os.read(kernel, 8192)
            except BlockingIOError:  # the end
                break
            except BrokenPipeError:  # written over meanwhile
                continue
            log += record
        os.close(kernel)
        found = []
        for at_us, place, number, words in XID.findall(log.decode("utf-8", "replace")):
            age_s = round(max(0.0, uptime_s - int(at_us) / 1e6), 1)
            facts = {"number": int(number), "age_s": age_s, "bus_id": place}
            found.append(dict(facts, words=words.strip(" ,")[:120]))
        return {"xids": found[-20:]}


def read_folders(folders: List[str], emit: Emit) -> None:
    """Emit the room in each folder; one on a dead network file system hangs, and is told so."""
    rooms = []  # type: List[Document]
    for folder in folders:
        try:
            room = os.statvfs(folder)
        except OSError as problem:
            emit(unreadable("folders", f"{folder}: {problem.strerror}"))
            rooms.append({"path": folder, "free_mib": None})
        else:
            free_mib = room.f_bavail * room.f_frsize // (1024 * 1024)
            rooms.append({"path": folder, "free_mib": free_mib})
    emit({"folders": rooms})
