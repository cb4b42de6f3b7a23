"""Who belongs to the job on this node, and who holds what: memory, files, ports, devices."""
# Python 3.6 has no `capture_output`; pathlib takes as long to import as all the rest together.
# ruff: noqa: PTH110, PTH112, PTH116, PTH118, PTH119, PTH208

import contextlib
import os
import re
import time
from typing import Dict, Iterator, List, NamedTuple, Optional, Set, Tuple  # noqa: F401 - Dict: type comments

from harness.nodes.program.document import Document, Emit, read_bytes, unreadable

SHM = "/dev/shm"  # noqa: S108 - the subject
NUMA = "/sys/devices/system/node"
DRIVER_GPUS = "/proc/driver/nvidia/gpus"  # one folder a GPU, named by its place on the PCI bus
# A device of the driver by what /proc/<pid>/fd says: in a container's root its path may go on
# before /dev, and a node that was made anew leaves the old one marked as deleted.
DEVICE = re.compile(r"(?:^|/)dev/(nvidia[^ ]*)(?: \(deleted\))?$")
# SLURM_STEP_ID of the steps without a number (slurm.h), by the names that squeue prints.
STEP_NAMES = {"4294967290": "interactive", "4294967291": "batch", "4294967292": "extern"}

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
