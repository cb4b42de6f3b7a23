"""The node probe: what one node holds, as JSON on standard output.

This one file is sent to every node of a job through a single step outside the container::

    srun ... --ntasks-per-node=1 python3 -I -S - --job 4711 --ports 8000,2379 < probe.py

It needs nothing but Python 3.6 and Linux (x86-64 or aarch64), and changes nothing. It prints one
JSON object; longer than 1000 bytes it comes in parts, one a line, because slurmstepd forwards
output in messages of 1024 bytes, and longer lines of several tasks are cut and mixed.

What cannot be read is reported as unreadable (null, and a reason under "errors"), never as absent.
Children do the reading: nvidia-smi, and who reads a process that hangs in the kernel, can hang as
well, and the answer must come before the deadline.
"""
# Python 3.6 has no `capture_output`; pathlib takes as long to import as all the rest together.
# ruff: noqa: PTH110, PTH112, PTH113, PTH116, PTH118, PTH119, PTH120, PTH123, PTH207, PTH208, UP022

import argparse
import contextlib
import functools
import glob
import hashlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Set, Tuple

SCHEMA = 1
SHM = "/dev/shm"  # noqa: S108 - the subject
NUMA = "/sys/devices/system/node"
DRIVER_GPUS = "/proc/driver/nvidia/gpus"  # one folder a GPU, named by its place on the PCI bus
# A device of the driver by what /proc/<pid>/fd says: in a container's root its path may go on
# before /dev, and a node that was made anew leaves the old one marked as deleted.
DEVICE = re.compile(r"(?:^|/)dev/(nvidia[^ ]*)(?: \(deleted\))?$")
LINE_BYTES = 1000
PART_CHARACTERS = 440  # JSON inside JSON at most doubles in length; the rest is a part's frame
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
# Where plugstack.conf lies when Slurm does not say so: on nodes without a slurm.conf, and with one.
PLUGSTACKS = ("/run/slurm/conf/plugstack.conf", "/etc/slurm/plugstack.conf")
# The word that slurmd logs at its start. One string since Pyxis 0.17; before, the version stands
# somewhere else in the file, with nothing beside it that says what it is.
PYXIS_VERSION = re.compile(rb"pyxis: version v([^\0%]+)\0")
ENROOT_VERSION = re.compile(rb'ENROOT_VERSION="([^"]+)"')
NUMBERS = {"index", "pid", "memory_total_mib", "memory_used_mib", "memory_mib", "ecc_uncorrected"}
IMEX = "/dev/nvidia-caps-imex-channels"
HUGE_PAGES = "/sys/kernel/mm/transparent_hugepage/enabled"
KERNEL_LOG = "/dev/kmsg"
ROUTES = "/proc/net/fib_trie"
# The kernel's own words have a priority below 8; a program's would not be believed.
XID = re.compile(r"^[0-7],\d+,(\d+),[^;]*;NVRM: Xid \(PCI:([^)]+)\): (\d+)(.*)$", re.MULTILINE)
# SLURM_STEP_ID of the steps without a number (slurm.h), by the names that squeue prints.
STEP_NAMES = {"4294967290": "interactive", "4294967291": "batch", "4294967292": "extern"}

Document = Dict[str, Any]
Emit = Callable[[Document], None]
Held = Set[Tuple[str, int]]  # ("shm" or "socket", inode)


class Process(NamedTuple):
    """What identifies a process: pid and start time (clock ticks after boot), and what it is."""

    pid: int
    ppid: int
    start_ticks: int
    uid: int
    name: str


class Claim(NamedTuple):
    """Why a process counts as one of the job's, and which task it belongs to."""

    found_by: str
    step: Optional[str]
    rank: Optional[int]


def read_bytes(path: str) -> bytes:
    """Return a file's content."""
    with open(path, "rb") as file:
        return file.read()


def unreadable(what: str, *details: str) -> Document:
    """Return the part of a document that says what could not be read, and why."""
    return {"errors": [{"what": what, "detail": detail} for detail in details]}


def read_process(pid: int) -> Optional[Tuple[Process, str]]:
    """Return a process and its folder in /proc; None for kernel threads and for who holds nothing.

    A zombie with living threads is not dead: a thread that is stuck in a driver keeps its memory.
    What they share is then seen in the folder of such a thread alone.
    """
    line = read_bytes(f"/proc/{pid}/stat").decode("utf-8", "replace")
    name, rest = line[line.index("(") + 1 : line.rindex(")")], line[line.rindex(")") + 2 :].split()
    kernel_thread, threads = int(rest[6]) & 0x00200000, int(rest[17])  # PF_KTHREAD
    if kernel_thread or (rest[0] in "ZX" and threads <= 1):
        return None
    process = Process(pid, int(rest[1]), int(rest[19]), os.stat(f"/proc/{pid}").st_uid, name)
    return process, living_thread(pid) if rest[0] in "ZX" else f"/proc/{pid}"


def living_thread(pid: int) -> str:
    """Return the folder in /proc of a thread that has not ended; ProcessLookupError if all have."""
    for thread in sorted(os.listdir(f"/proc/{pid}/task"), key=int):
        folder = f"/proc/{pid}/task/{thread}"
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if read_bytes(f"{folder}/stat").rpartition(b") ")[2][:1] not in b"ZX":
                return folder
    raise ProcessLookupError(pid)


def is_stopped(pid: int) -> Optional[bool]:
    """Tell whether a process is stopped, by a signal or a debugger: it neither goes on nor ends."""
    try:
        return read_bytes(f"/proc/{pid}/stat").rpartition(b") ")[2][:1] in b"Tt"
    except (FileNotFoundError, ProcessLookupError):
        return None


def open_files(folder: str) -> Iterator[Tuple[str, str]]:
    """Yield place and target of each open file, by a folder in /proc; nothing is opened."""
    for name in os.listdir(f"{folder}/fd"):
        place = f"{folder}/fd/{name}"
        try:
            target = os.readlink(place)
        except FileNotFoundError:  # closed meanwhile
            continue
        yield place, target


def pid_namespace(pid: str) -> Optional[str]:
    """Return the name of a process's PID namespace; None if it cannot be read."""
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return None


def short_cmdline(pid: int) -> str:
    """Return the command line, cut; empty if it cannot be read."""
    try:
        words = read_bytes(f"/proc/{pid}/cmdline").decode("utf-8", "replace").replace("\0", " ")
    except OSError:
        return ""
    return words.strip()[:160]


class Scanner:
    """Walks /proc once: who belongs to the job, and who holds what."""

    def __init__(self, job: str, ports: Set[int], mark: str) -> None:
        self.job, self.ports, self.mark = job, ports, mark.encode()
        self.shm = []  # type: List[Document]
        self.shm_device = -1
        self.shm_names = set()  # type: Set[str]
        self.listeners = []  # type: List[Document]
        self.sockets = {}  # type: Dict[str, int]
        self.devices = {}  # type: Dict[int, Set[str]]
        self.processes = {}  # type: Dict[int, Process]
        self.claims = {}  # type: Dict[int, Claim]
        self.unread = {}  # type: Dict[int, Set[int]]

    def run(self, emit: Emit) -> None:
        """Emit parts of the document, the cheap ones first; a later one replaces an earlier one."""
        cheap = (self.list_shm, self.read_memory, self.read_numa, self.list_listeners)
        # The driver's own files come last: reading them can hang where the driver does.
        for look in (*cheap, self.walk_processes, self.read_gpu_devices):
            try:
                emit(look())
            except (OSError, ValueError, LookupError) as problem:
                said = f"{type(problem).__name__}: {problem}"
                emit(unreadable(look.__name__.partition("_")[2], said))

    def list_shm(self) -> Document:
        """List /dev/shm with all its folders; who holds a file is not known yet."""
        room, now, self.shm_device = os.statvfs(SHM), time.time(), os.stat(SHM).st_dev
        closed = []  # type: List[OSError]
        walk = os.walk(SHM, onerror=closed.append)
        for path in [os.path.join(folder, name) for folder, _, names in walk for name in names]:
            try:
                info = os.lstat(path)
            except FileNotFoundError:
                continue
            entry = {"name": os.path.relpath(path, SHM), "inode": info.st_ino, "pids": None}
            age = round(max(0.0, now - info.st_mtime), 1)
            self.shm_names.add(os.path.basename(path))
            self.shm.append(dict(entry, size_bytes=info.st_size, uid=info.st_uid, age_s=age))
        document = dict(unreadable("shm", *map(repr, closed)), shm=self.shm)
        document["shm_total_bytes"] = room.f_blocks * room.f_frsize
        return dict(document, shm_free_bytes=room.f_bavail * room.f_frsize)

    def read_memory(self) -> Document:
        """Read MemAvailable, in kB in the file."""
        found = re.findall(rb"MemAvailable:\s+(\d+) kB", read_bytes("/proc/meminfo"))
        return {"memory_available_mib": int(found[0]) // 1024}

    def read_numa(self) -> Document:
        """Read what each NUMA node with memory has of it, in kB in the file, and its CPUs.

        A node without CPUs is memory of a device: a coherent GPU's, as on GB200, or CXL memory.
        """
        nodes = []
        for name in sorted(os.listdir(NUMA)):
            if not re.match(r"node\d+$", name):
                continue
            text = read_bytes(f"{NUMA}/{name}/meminfo")
            rows = re.findall(rb"\b(MemTotal|MemFree|FilePages|Shmem):\s+(\d+) kB", text)
            mib = {key.decode(): int(size) // 1024 for key, size in rows}
            if mib["MemTotal"]:  # a GPU has eight nodes for its partitions, most of them empty
                node = {"id": int(name[4:]), "total_mib": mib["MemTotal"]}
                node.update(free_mib=mib["MemFree"], file_pages_mib=mib["FilePages"])
                cpus = read_bytes(f"{NUMA}/{name}/cpulist").decode().strip()
                nodes.append(dict(node, shmem_mib=mib["Shmem"], cpus=cpus))
        return {"numa": sorted(nodes, key=lambda node: node["id"])}

    def read_gpu_devices(self) -> Document:
        """Read which /dev/nvidia<minor> and which NUMA node a GPU is, by the driver's own word.

        The minor need not be nvidia-smi's index. Only a GPU whose memory is a NUMA node says so.
        """
        devices = []
        for place in sorted(os.listdir(DRIVER_GPUS)):
            text = read_bytes(f"{DRIVER_GPUS}/{place}/information").decode("utf-8", "replace")
            said = dict(re.findall(r"^(GPU UUID|Device Minor):\s*(\S+)", text, re.MULTILINE))
            status = b""
            with contextlib.suppress(OSError):
                status = read_bytes(f"{DRIVER_GPUS}/{place}/numa_status")
            node = [int(number) for number in re.findall(rb"Node:\s*(\d+)", status)]
            device = {"uuid": said["GPU UUID"], "minor": int(said["Device Minor"])}
            devices.append(dict(device, numa_node=node[0] if node else None))
        return {"gpu_devices": devices}

    def list_listeners(self) -> Document:
        """List TCP sockets that listen on a port of interest; their owners are not known yet."""
        tables = [name for name in ("tcp", "tcp6") if os.path.exists("/proc/net/" + name)]
        for table in tables if self.ports else ():
            for line in read_bytes("/proc/net/" + table).decode().splitlines()[1:]:
                row = line.split()
                port = int(row[1].rpartition(":")[2], 16)
                if row[3] == "0A" and port in self.ports:  # TCP_LISTEN
                    owner = {"uid": int(row[7]), "inode": int(row[9]), "pids": None}
                    self.listeners.append(dict(owner, port=port))
                    self.sockets[f"socket:[{row[9]}]"] = int(row[9])
        return {"listeners": self.listeners}

    def walk_processes(self) -> Document:
        """Look at every process: is it of the job, what files and what listeners does it hold."""
        holders = {}  # type: Dict[Tuple[str, int], List[int]]
        for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):
            try:
                for held in self.look_at(pid):
                    holders.setdefault(held, []).append(pid)
            except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
                self.processes.pop(pid, None)
        for entry in self.shm:
            entry["pids"] = holders.get(("shm", entry["inode"]), [])
        for listener in self.listeners:
            listener["pids"] = holders.get(("socket", listener["inode"]), [])
            listener["names"] = [self.processes[pid].name for pid in listener["pids"]]
        named = {pid for pids in holders.values() for pid in pids}
        hidden = [] if os.path.isdir("/proc/1") else ["other users' processes are hidden (hidepid)"]
        return dict(
            unreadable("holders", *hidden),
            shm=self.shm,
            listeners=self.listeners,
            processes=self.job_processes(),
            device_holders=self.device_holders(),
            holders=[each._asdict() for pid, each in self.processes.items() if pid in named],
            unread={uid: len(pids) for uid, pids in self.unread.items()},
        )

    def look_at(self, pid: int) -> Held:
        """Note one process and return what it holds."""
        found = read_process(pid)
        held = set()  # type: Held
        if found is None:
            return held
        process, folder = found
        self.processes[pid] = process
        for look in (self.claim, self.held_by_maps, self.held_by_fds):
            try:
                held |= look(pid, folder)
            except PermissionError:
                self.unread.setdefault(process.uid, set()).add(pid)
        return held

    def claim(self, pid: int, folder: str) -> Held:
        """Recognise the job by Slurm's cgroup (on some sites), by environment (rank!), by mark."""
        cgroup = read_bytes(f"{folder}/cgroup").decode("utf-8", "replace")
        found = re.search(r"/job_(\w+)(?:/step_(\w+))?", cgroup)
        if found and found.group(1) == self.job:
            self.claims[pid] = Claim("cgroup", found.group(2), None)
        entries = read_bytes(f"{folder}/environ").split(b"\0")
        if f"SLURM_JOB_ID={self.job}".encode() in entries:
            pairs = [entry.decode("utf-8", "replace").partition("=") for entry in entries]
            variables = {name: value for name, _, value in pairs}
            step, rank = variables.get("SLURM_STEP_ID", ""), variables.get("SLURM_PROCID", "")
            number = int(rank) if rank.isdigit() else None
            self.claims[pid] = Claim("environ", STEP_NAMES.get(step, step) or None, number)
        elif self.mark and self.mark in entries:
            self.claims.setdefault(pid, Claim("mark", None, None))
        return set()

    def held_by_maps(self, _: int, folder: str) -> Held:
        """Return the files of /dev/shm that a process has mapped."""
        if not self.shm:
            return set()
        token = f" {os.major(self.shm_device):02x}:{os.minor(self.shm_device):02x} ".encode()
        lines = read_bytes(f"{folder}/maps").splitlines()
        return {("shm", int(line.split(None, 5)[4])) for line in lines if token in line}

    def held_by_fds(self, pid: int, folder: str) -> Held:
        """Return the files of /dev/shm and the listening sockets that a process has open.

        Its devices of the NVIDIA driver are noted by name; no device is opened.
        """
        held = set()  # type: Held
        for place, target in open_files(folder):
            if target in self.sockets:
                held.add(("socket", self.sockets[target]))
            elif "/nvidia" in target and DEVICE.search(target):
                self.devices.setdefault(pid, set()).update(DEVICE.findall(target))
            # Only names of interest are followed: a stat on a dead network file system hangs.
            elif os.path.basename(target) in self.shm_names:
                with contextlib.suppress(FileNotFoundError):
                    info = os.stat(place)
                    held |= {("shm", info.st_ino)} if info.st_dev == self.shm_device else set()
        return held

    def device_holders(self) -> List[Document]:
        """Return who has a device of the driver open, without the probe's own nvidia-smi."""
        own, found = pid_namespace("self"), []
        for pid, names in sorted(self.devices.items()):
            process = self.processes.get(pid)
            if process is None or os.getppid() in self.ancestry(process):
                continue
            namespace = pid_namespace(str(pid))
            other = None if namespace is None or own is None else namespace != own
            facts = dict(process._asdict(), devices=sorted(names))
            found.append(dict(facts, other_pid_namespace=other))
        return found

    def job_processes(self) -> List[Document]:
        """Return the job's processes, without the probe's own step and Slurm's own slurmstepd."""
        own_job, own_step = os.environ.get("SLURM_JOB_ID"), os.environ.get("SLURM_STEP_ID", "")
        own = STEP_NAMES.get(own_step, own_step) if own_job == self.job else ""
        found = []
        for pid, process in sorted(self.processes.items()):
            line = self.ancestry(process)
            claim = self.claim_of(line)
            if claim is None or process.name == "slurmstepd" or os.getppid() in line:
                continue
            if not own or claim.step != own:
                facts = dict(process._asdict(), cmdline=short_cmdline(pid), stopped=is_stopped(pid))
                found.append(dict(facts, **claim._asdict()))
        return found

    def ancestry(self, process: Process) -> List[int]:
        """Return the pids of a process, its parent, and so on."""
        chain = [process.pid]
        while process.ppid in self.processes and process.ppid not in chain:
            process = self.processes[process.ppid]
            chain.append(process.pid)
        return chain

    def claim_of(self, ancestry: List[int]) -> Optional[Claim]:
        """Return why a process is the job's: by itself, or as the child of one that is.

        The leader's serving process runs without SLURM_* variables (trtllm-llmapi-launch takes
        them away), and is the one that registers: its own environment would not show it.
        """
        claims = [self.claims[pid] for pid in ancestry if pid in self.claims]
        if not claims:
            return None
        steps = [claim.step for claim in claims if claim.step is not None]
        ranks = [claim.rank for claim in claims if claim.rank is not None]
        found_by = claims[0].found_by if ancestry[0] in self.claims else "parent"
        return Claim(found_by, steps[0] if steps else None, ranks[0] if ranks else None)


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


def read_container_runtime(plugstack: str, plugin_folders: str, emit: Emit) -> None:
    """Emit which Pyxis this node's Slurm loads, and which enroot that would call.

    Both are read and not run: `enroot version` makes folders for its caller.
    """
    programs = [f"{folder}/enroot" for folder in os.environ.get("PATH", "").split(":")]
    enroot = next((path for path in programs if os.path.isfile(path)), "")
    found = ENROOT_VERSION.search(read_bytes(enroot)) if enroot else None
    if found:
        emit({"enroot": found.group(1).decode("utf-8", "replace")})
    else:
        emit(unreadable("enroot", f"{enroot} has no version" if enroot else "no enroot on PATH"))
    conf = next((path for path in (plugstack, *PLUGSTACKS) if os.path.isfile(path)), "")
    if not conf:
        emit(unreadable("pyxis", f"no plugstack.conf at {plugstack or 'a known place'}"))
        return
    try:
        files = list(pyxis_files(conf, plugin_folders.split(":")))
        emit({"pyxis": [read_plugin(path) for path in files]})
    except OSError as problem:
        emit(unreadable("pyxis", f"{problem.filename}: {problem.strerror}"))


def pyxis_files(conf: str, folders: List[str]) -> Iterator[str]:
    """Yield the Pyxis plugins that a plugstack.conf names, with what it includes."""
    for line in read_bytes(conf).decode("utf-8", "replace").splitlines():
        words = line.split("#")[0].split()
        if len(words) > 1 and words[0] == "include":
            for included in sorted(glob.glob(os.path.join(os.path.dirname(conf), words[1]))):
                yield from pyxis_files(included, folders)
        elif len(words) > 1 and "pyxis" in os.path.basename(words[1]):
            places = [os.path.join(folder, words[1]) for folder in folders]  # a whole path stays
            yield next((place for place in places if os.path.isfile(place)), words[1])


def read_plugin(path: str) -> Document:
    """Return what tells one build of Pyxis from another; version None: the file does not say."""
    content = read_bytes(path)
    found = PYXIS_VERSION.search(content)
    version = found.group(1).decode("utf-8", "replace") if found else None
    facts = {"path": path, "version": version, "size_bytes": len(content)}
    return dict(facts, sha256=hashlib.sha256(content).hexdigest())


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


class Reader:
    """A child process that does some reading and writes JSON lines to a pipe."""

    def __init__(self, what: str, work: Callable[[Emit], None]) -> None:
        self.what = what
        self.pipe, writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self.read(writer, work)
        os.setpgid(self.pid, self.pid)  # so that the whole group can be ended
        os.close(writer)

    @staticmethod
    def read(writer: int, work: Callable[[Emit], None]) -> None:
        """Do the work, say `{}` and end, whatever happens: the parent's code must not run twice."""
        try:
            os.setpgid(0, 0)
            with os.fdopen(writer, "w") as pipe:
                work(lambda part: print(json.dumps(part), file=pipe, flush=True))
                print("{}", file=pipe)
        except Exception:  # noqa: BLE001 - shown here, and the missing `{}` tells the parent
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(0)

    def parts(self, ends_s: float) -> List[Document]:
        """Return what the child says until its end or the deadline; then it is killed."""
        came, piece = b"", b"nothing yet"
        while piece and select.select([self.pipe], [], [], max(0, ends_s - time.monotonic()))[0]:
            piece = os.read(self.pipe, 65536)
            came += piece
        parts = [json.loads(line.decode()) for line in came.split(b"\n")[:-1]]
        if parts[-1:] != [{}]:
            why = f"not done at the deadline: {self.whereabouts()}" if piece else "the reader broke"
            parts.append(unreadable(self.what, why))
            os.killpg(self.pid, signal.SIGKILL)  # not waited for: it may hang in the kernel
        return parts

    def whereabouts(self) -> str:
        """Return what the child is reading: of two files open in /proc, the later is the one."""
        folder, links = f"/proc/{self.pid}/fd/", []  # type: str, List[str]
        with contextlib.suppress(OSError):  # it may be slow and no more, and go on meanwhile
            links = [os.readlink(folder + name) for name in sorted(os.listdir(folder), key=int)]
        return ([link for link in links if link.startswith("/proc/")] or [self.what])[-1]


def probe(options: argparse.Namespace) -> Document:
    """Return the whole document, at the latest when the deadline has come."""
    started_s = time.monotonic()
    smi_ends_s = started_s + min(options.nvidia_smi_timeout_s, options.deadline_s)
    ports = {int(port) for port in options.ports.split(",") if port}
    asked = list(QUERIES) + (list(CONDITION_QUERIES) if options.condition else [])
    queries = [Reader(what, functools.partial(query_driver, what)) for what in asked]
    others = [Reader("processes", Scanner(options.job, ports, options.mark).run)]
    if options.condition:
        queries.append(Reader("cuda_of_driver", read_cuda_of_driver))
        others.append(Reader("surroundings", Surroundings().run))
        runtime = functools.partial(read_container_runtime, options.plugstack)
        others.append(Reader("runtime", functools.partial(runtime, options.plugin_folders)))
    if options.folder:
        others.append(Reader("folders", functools.partial(read_folders, options.folder)))
    parts = []  # type: List[Document]
    for other in others:
        parts += other.parts(started_s + options.deadline_s)
    for query in queries:
        parts += query.parts(smi_ends_s)
    document = {
        "schema": SCHEMA,
        "node": os.environ.get("SLURMD_NODENAME") or os.uname().nodename,
        "boot_id": read_bytes("/proc/sys/kernel/random/boot_id").decode().strip(),
        "time_s": round(time.time(), 3),
        "python": ".".join(str(part) for part in sys.version_info[:3]),
        "uid": os.getuid(),
        "errors": [error for part in parts for error in part.pop("errors", [])],
    }  # type: Document
    for part in parts:
        document.update(part)
    return dict(document, elapsed_ms=round((time.monotonic() - started_s) * 1e3, 1))


def lines_of(document: Document) -> List[str]:
    """Return a document as one JSON line, or as parts that are each shorter than LINE_BYTES."""
    text = json.dumps(document, separators=(",", ":"))
    if len(text) < LINE_BYTES:
        return [text]
    pieces = [text[at : at + PART_CHARACTERS] for at in range(0, len(text), PART_CHARACTERS)]
    frame = {"node": document["node"], "parts": len(pieces)}
    return [json.dumps(dict(frame, part=at, text=piece)) for at, piece in enumerate(pieces)]


def main() -> None:
    """Read the options, print the lines."""
    parser = argparse.ArgumentParser(description="Report what this node holds, as JSON lines.")
    parser.add_argument("--job", default="", help="Slurm job whose processes are listed")
    parser.add_argument("--ports", default="", help="TCP ports to look for, comma-separated")
    parser.add_argument("--mark", default="", help="NAME=VALUE in the environment: the job's, too")
    parser.add_argument("--condition", action="store_true", help="also what the node is like")
    parser.add_argument("--folder", action="append", default=[], help="tell the room in a folder")
    parser.add_argument("--plugstack", default="", help="with --condition: Slurm's plugstack.conf")
    parser.add_argument("--plugin-folders", default="", help="Slurm's PluginDir")
    parser.add_argument("--deadline-s", type=float, default=10.0)
    parser.add_argument("--nvidia-smi-timeout-s", type=float, default=8.0)
    print("\n".join(lines_of(probe(parser.parse_args()))))


if __name__ == "__main__":
    main()
