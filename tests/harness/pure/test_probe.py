"""The node probe, run for real on this machine; only ``nvidia-smi`` is a double."""

from __future__ import annotations

import ast
import itertools
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.deadline import Deadline, wait_until
from harness.nodes.snapshot import (
    DeviceHolder,
    GpuDevice,
    JobProcess,
    NodeSnapshot,
    ShmEntry,
    parse_snapshots,
)

PROBE = Path(__file__).parents[3] / "harness" / "nodes" / "probe.py"
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


@pytest.fixture
def smi_double(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmiDouble:
    """Put an ``nvidia-smi`` with a given body (shell) first on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def make(body: str) -> None:
        script = folder / "nvidia-smi"
        script.write_text(f"#!/bin/sh\n{body}\n")
        script.chmod(0o755)

    return make


@pytest.fixture
def job() -> str:
    """Return a job id that no process of this machine has."""
    return str(9_000_000_000 + secrets.randbelow(1_000_000_000))


@pytest.fixture
def shm_name() -> Iterator[str]:
    """Return a name for a file in /dev/shm, removed afterwards."""
    name = f"moe_shared_{secrets.token_hex(6)}_l0_lr0_all"
    yield name
    (SHM / name).unlink(missing_ok=True)


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
    text = PROBE.read_text()
    for folder, other in (instead or {}).items():
        assert text.count(f'"{folder}"') == 1
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


def test_the_node_says_who_it_is(smi_double: SmiDouble) -> None:
    smi_double(answer())

    node = probed()

    assert node.node == "node1"
    assert node.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert node.uid == os.getuid()
    assert node.python == ".".join(map(str, sys.version_info[:3]))
    assert {error.what for error in node.errors} <= {"gpu_devices"}  # where no driver is
    assert node.memory_available_mib


def test_gpus_and_their_processes_are_reported(smi_double: SmiDouble) -> None:
    smi_double(answer())

    node = probed()

    assert [(gpu.index, gpu.uuid, gpu.memory_used_mib) for gpu in node.gpus or ()] == [
        (0, "GPU-aa", 1500),
        (1, "GPU-bb", None),
    ]
    assert [gpu.name for gpu in node.gpus or ()][1] == "NVIDIA GB200, engineering sample"
    assert [(app.pid, app.memory_mib) for app in node.compute_apps or ()] == [
        (4711, 1400),
        (None, None),
    ]


def test_a_gpu_without_processes_is_not_unreadable(smi_double: SmiDouble) -> None:
    smi_double(answer(apps=""))

    node = probed()

    assert node.compute_apps == ()
    assert "compute_apps" not in {error.what for error in node.errors}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("echo 'no driver'; exit 9", "status 9"),
        ("echo 'no driver' >&2; exit 9", "status 9"),
        ("echo 'No devices were found'", "No devices were found"),
        ("echo '0, GPU-aa'", "0, GPU-aa"),
        ("head -c 3000 /dev/urandom; exit 1", "status 1"),
    ],
    ids=["failing", "failing silently", "no devices", "too few columns", "garbage"],
)
def test_gpus_that_the_driver_does_not_tell_are_unreadable(
    smi_double: SmiDouble, body: str, words: str
) -> None:
    smi_double(body)

    node = probed()

    assert (node.gpus, node.compute_apps) == (None, None)
    assert words in node.why_unreadable("gpus")
    assert node.processes is not None


def test_a_missing_nvidia_smi_is_no_absence_of_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")

    node = probed()

    assert node.gpus is None
    assert "cannot run nvidia-smi" in node.why_unreadable("gpus")


def test_a_hanging_nvidia_smi_is_ended_and_costs_its_timeout_only(
    smi_double: SmiDouble, tmp_path: Path
) -> None:
    smi_double(f"echo $$ >> {tmp_path}/pids\nsleep 600 & echo $! >> {tmp_path}/pids\nwait")

    node = probed("--nvidia-smi-timeout-s=1", "--deadline-s=20")

    assert (node.gpus, node.compute_apps) == (None, None)
    assert "not done at the deadline" in node.why_unreadable("gpus")
    assert node.processes is not None
    assert 1000 <= node.elapsed_ms < 5000
    pids = [int(line) for line in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 4
    assert wait_until(lambda: not any(map(alive, pids)), Deadline.after(5))


def test_what_is_not_done_at_the_deadline_is_unreadable(smi_double: SmiDouble) -> None:
    smi_double(f"sleep 20\n{answer()}")  # what is there in time is read, even at the deadline

    node = probed("--deadline-s=0")

    assert (node.gpus, node.processes) == (None, None)
    assert "not done at the deadline" in node.why_unreadable("processes")


@pytest.mark.parametrize(
    "hold",
    [
        MAP_AND_CLOSE,
        "f = open(path)",
    ],
    ids=["mapped", "open"],
)
def test_a_file_in_shared_memory_names_who_holds_it(shm_name: str, hold: str) -> None:
    (SHM / shm_name).write_bytes(bytes(4096))

    with running(f"path = '/dev/shm/{shm_name}'\n{hold}") as holder:
        held = probed()
    free = probed()

    assert entry_of(held, shm_name).pids == (holder.pid,)
    assert entry_of(held, shm_name).size_bytes == 4096
    assert entry_of(held, shm_name).uid == os.getuid()
    known = held.holder(holder.pid)
    assert known is not None
    assert known.name.startswith("python")
    assert entry_of(free, shm_name).pids == ()


def test_a_removed_file_of_the_same_name_is_not_held(shm_name: str) -> None:
    (SHM / shm_name).write_bytes(b"old")

    with running(f"f = open('/dev/shm/{shm_name}')"):
        (SHM / shm_name).unlink()
        (SHM / shm_name).write_bytes(b"new")
        node = probed()

    assert entry_of(node, shm_name).pids == ()


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become another user")
def test_processes_of_other_users_are_counted_as_unread(shm_name: str) -> None:
    (SHM / shm_name).write_bytes(b"x")

    with running(f"f = open('/dev/shm/{shm_name}')"):
        node = probed(user=65534)

    assert node.uid == 65534
    assert node.unread[0] >= 1
    assert entry_of(node, shm_name).pids == ()


@pytest.fixture
def devices(tmp_path: Path) -> Path:
    """Return a folder ``dev`` with plain files for devices of the driver."""
    folder = tmp_path / "dev"
    (folder / "nvidia-caps").mkdir(parents=True)
    for name in ("nvidia0", "nvidia2", "nvidiactl", "nvidia-caps/nvidia-cap1", "nvme0"):
        (folder / name).write_text("")
    return folder


def opening(*paths: Path) -> str:
    """Return code that opens files and keeps them open."""
    return f"held = [open(path) for path in {[str(path) for path in paths]}]"


def device_holder(node: NodeSnapshot, pid: int) -> DeviceHolder | None:
    """Return what devices of the driver a process has open."""
    return next((each for each in node.device_holders or () if each.pid == pid), None)


def test_who_has_a_device_of_the_driver_open_is_named_with_it(devices: Path) -> None:
    names = ("nvidia2", "nvidiactl", "nvidia-caps/nvidia-cap1", "nvme0")

    with running(opening(*(devices / name for name in names))) as child, running("") as other:
        node = probed()

    holder = device_holder(node, child.pid)
    assert holder is not None
    assert holder.devices == ("nvidia-caps/nvidia-cap1", "nvidia2", "nvidiactl")
    assert (holder.uid, holder.other_pid_namespace) == (os.getuid(), False)
    assert holder.name.startswith("python")
    assert holder.start_ticks > 0
    assert device_holder(node, other.pid) is None


def test_a_device_that_was_made_anew_is_still_held(devices: Path) -> None:
    with running(opening(devices / "nvidia0")) as child:
        (devices / "nvidia0").unlink()
        holder = device_holder(probed(), child.pid)

    assert holder is not None
    assert holder.devices == ("nvidia0",)


def test_a_stuck_thread_of_a_dead_leader_still_holds_its_device(devices: Path, job: str) -> None:
    code = f"""
import ctypes, threading
{opening(devices / "nvidia0")}
def last():
    print('there', flush=True)
    sys.stdin.read()
    os._exit(0)
import os
threading.Thread(target=last).start()
ctypes.CDLL(None).pthread_exit(None)
"""
    with running(code, SLURM_JOB_ID=job, SLURM_STEP_ID="18", SLURM_PROCID="9") as child:
        stat = Path(f"/proc/{child.pid}/stat")
        assert wait_until(lambda: ") Z " in stat.read_text(), Deadline.after(5))
        node = probed("--job", job)

    holder = device_holder(node, child.pid)
    assert holder is not None
    assert holder.devices == ("nvidia0",)
    assert [(each.step, each.rank) for each in node.processes or ()] == [("18", 9)]


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to make a PID namespace")
def test_a_device_holder_in_another_pid_namespace_is_told_as_such(devices: Path) -> None:
    inside = f"exec 3<{devices}/nvidia0; echo there; read line"
    with subprocess.Popen(
        ["unshare", "--pid", "--fork", "sh", "-c", inside],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "there\n"
        node = probed()
        child.communicate("end\n", timeout=10)

    [holder] = [each for each in node.device_holders or () if each.ppid == child.pid]
    assert holder.other_pid_namespace is True


def test_the_probes_own_nvidia_smi_is_no_holder(smi_double: SmiDouble, devices: Path) -> None:
    smi_double(f"exec 3<{devices}/nvidia0; sleep 1; exit 9")

    node = probed()

    assert node.gpus is None
    ours = [each for each in node.device_holders or () if "nvidia0" in each.devices]
    assert [each for each in ours if each.name in {"nvidia-smi", "sleep"}] == []


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become another user")
def test_devices_of_other_users_are_unread_and_counted(devices: Path) -> None:
    with running(opening(devices / "nvidia0")) as child:
        node = probed(user=65534)

    assert device_holder(node, child.pid) is None
    assert node.unread[0] >= 1


def test_devices_are_unreadable_when_processes_are(smi_double: SmiDouble) -> None:
    smi_double(answer())

    assert probed("--deadline-s=0").device_holders is None


def numa_folder(root: Path, nodes: Mapping[int, tuple[str, int, int]]) -> Path:
    """Make NUMA nodes as in /sys: cpulist, MemTotal and FilePages in kB."""
    for number, (cpus, total, pages) in nodes.items():
        folder = root / f"node{number}"
        folder.mkdir(parents=True)
        sizes = {"MemTotal": total, "MemFree": total - pages, "FilePages": pages}
        sizes |= {"Mapped": 1, "ShmemHugePages": 4, "Shmem": 2048}
        lines = [f"Node {number} {name + ':':<15} {size:>10} kB" for name, size in sizes.items()]
        (folder / "meminfo").write_text("\n".join(lines) + "\n")
        (folder / "cpulist").write_text(cpus + "\n")
    (root / "has_memory").write_text("0,2\n")
    return root


def test_memory_of_each_numa_node_is_told_and_whether_it_has_cpus(tmp_path: Path) -> None:
    nodes = {2: ("", 192_937_984, 5_242_880), 10: ("", 0, 0), 0: ("0-71", 501_000_000, 90_000_000)}
    folder = numa_folder(tmp_path / "node", nodes)

    node = probed(instead={"/sys/devices/system/node": folder})

    assert node.numa is not None
    assert [(each.id, each.cpus, each.total_mib) for each in node.numa] == [
        (0, "0-71", 489_257),
        (2, "", 188_416),
    ]
    assert (node.numa[1].file_pages_mib, node.numa[1].shmem_mib) == (5120, 2)
    assert node.numa[1].page_cache_mib == 5118
    assert node.numa[1].free_mib == 188_416 - 5120


def test_a_machine_that_tells_no_numa_nodes_is_unreadable(tmp_path: Path) -> None:
    node = probed(instead={"/sys/devices/system/node": tmp_path / "none"})

    assert node.numa is None
    assert f"No such file or directory: '{tmp_path}/none'" in node.why_unreadable("numa")
    assert node.processes is not None


INFORMATION = """\
Model: \t\t NVIDIA GB200
IRQ:   \t\t 41
GPU UUID: \t GPU-{uuid}
Bus Type: \t PCIe
Bus Location: \t {place}
Device Minor: \t {minor}
GPU Excluded:\t No
"""


def test_the_driver_tells_minor_and_numa_node_of_a_gpu(tmp_path: Path) -> None:
    for place, uuid, minor in (("0008:01:00.0", "aa", 1), ("0009:01:00.0", "bb", 0)):
        folder = tmp_path / place
        folder.mkdir()
        said = INFORMATION.format(uuid=uuid, place=place, minor=minor)
        (folder / "information").write_text(said)
    (folder / "numa_status").write_text("Node:            10\nStatus:          online\n")

    node = probed(instead={"/proc/driver/nvidia/gpus": tmp_path})

    assert node.gpu_devices == (GpuDevice("GPU-aa", 1, None), GpuDevice("GPU-bb", 0, 10))


def test_a_machine_without_the_driver_tells_no_devices(tmp_path: Path) -> None:
    node = probed(instead={"/proc/driver/nvidia/gpus": tmp_path / "none"})

    assert node.gpu_devices is None
    assert "No such file or directory" in node.why_unreadable("gpu_devices")


def test_processes_of_the_job_have_step_and_rank(job: str) -> None:
    rank = {"SLURM_JOB_ID": job, "SLURM_STEP_ID": "18", "SLURM_PROCID": "9"}
    other = {**rank, "SLURM_JOB_ID": job + "1"}

    with running("", **rank) as ours, running("", **other) as strangers:
        found = by_pid(probed("--job", job))

    assert list(found) == [ours.pid]
    assert strangers.pid not in found
    process = found[ours.pid]
    assert (process.step, process.rank, process.found_by) == ("18", 9, "environ")
    assert process.uid == os.getuid()
    assert process.start_ticks > 0
    assert "sys.stdin.read" in process.cmdline


def test_a_child_whose_environment_was_cleaned_is_found_by_its_parent(job: str) -> None:
    code = (
        "import subprocess\n"
        "child = subprocess.Popen(['sleep', '30'], env={'PATH': '/usr/bin:/bin'})\n"
        "print(child.pid, flush=True)"
    )
    rank = {"SLURM_JOB_ID": job, "SLURM_STEP_ID": "18", "SLURM_PROCID": "0"}
    with subprocess.Popen(
        [sys.executable, "-c", f"{code}\nimport sys\nsys.stdin.read()\nchild.kill()\nchild.wait()"],
        env={"PATH": "/usr/bin:/bin", **rank},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        process = by_pid(probed("--job", job))[pid]
        parent.communicate(timeout=10)

    assert (process.step, process.rank, process.found_by) == ("18", 0, "parent")


def test_the_probes_own_step_is_left_out(job: str) -> None:
    with (
        running("", SLURM_JOB_ID=job, SLURM_STEP_ID="31"),
        running("", SLURM_JOB_ID=job, SLURM_STEP_ID="18") as worker,
    ):
        found = by_pid(probed("--job", job, SLURM_JOB_ID=job, SLURM_STEP_ID="31"))

    assert list(found) == [worker.pid]


def test_steps_without_a_number_have_squeues_names(job: str) -> None:
    with running("", SLURM_JOB_ID=job, SLURM_STEP_ID="4294967290") as shell:
        found = by_pid(probed("--job", job))

    assert found[shell.pid].step == "interactive"


def test_a_mark_finds_a_process_that_lost_slurms_variables(job: str) -> None:
    with running("", QUALIFY_RUN="run-7") as orphan:
        found = by_pid(probed("--job", job, "--mark", "QUALIFY_RUN=run-7"))

    assert (found[orphan.pid].found_by, found[orphan.pid].step) == ("mark", None)


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["ipv4", "ipv6"])
def test_listeners_on_the_given_ports_have_an_owner(family: socket.AddressFamily) -> None:
    with socket.socket(family) as wanted, socket.socket(family) as other:
        for each in (wanted, other):
            each.bind(("", 0))
            each.listen()
        port = wanted.getsockname()[1]

        node = probed("--ports", f"{port},1")

    assert [listener.port for listener in node.listeners or ()] == [port]
    assert [listener.pids for listener in node.listeners or ()] == [(os.getpid(),)]


def test_long_answers_come_in_lines_that_slurm_does_not_cut() -> None:
    names = [f"moe_shared_{secrets.token_hex(6)}_l{layer}_lr0_all" for layer in range(58)]
    try:
        for name in names:
            (SHM / name).write_bytes(b"x")
        text = output_of()
    finally:
        for name in names:
            (SHM / name).unlink(missing_ok=True)

    assert len(text.splitlines()) > 5
    assert max(len(line) for line in text.splitlines()) < 1000
    node = parse_snapshots(text, expected_nodes=["node1"]).nodes["node1"]
    assert {entry.name for entry in node.shm or ()} >= set(names)


def test_the_probe_runs_on_python_3_6_and_needs_nothing_else() -> None:
    tree = ast.parse(PROBE.read_text(), feature_version=(3, 6))
    imports = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = itertools.chain.from_iterable(imported(node) for node in imports)
    annotations = [
        node.annotation for node in ast.walk(tree) if isinstance(node, (ast.arg, ast.AnnAssign))
    ]
    parts = [part for each in annotations if each for part in ast.walk(each)]

    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names - {"dataclasses"}
    assert not [part for part in parts if isinstance(part, ast.BitOr)]
    assert not {part.id for part in parts if isinstance(part, ast.Name)} & {"list", "dict", "set"}


def imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    """Return the modules of an import statement."""
    if isinstance(node, ast.ImportFrom):
        return [node.module or "."]
    return [alias.name for alias in node.names]


def alive(pid: int) -> bool:
    """Return whether a process is there and no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
