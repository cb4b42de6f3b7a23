"""The probe's answers about GPUs, shared memory, processes and ports."""

from __future__ import annotations

import ast
import itertools
import os
import secrets
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from harness.deadline import Deadline, wait_until
from harness.nodes.inspection import PROBE_MODULES
from harness.nodes.snapshot import (
    parse_snapshots,
)
from harness.settings import PROJECT_ROOT
from tests.harness.pure.probe.kit import (
    MAP_AND_CLOSE,
    SHM,
    SmiDouble,
    answer,
    by_pid,
    entry_of,
    output_of,
    probed,
    running,
)

PROGRAM = PROJECT_ROOT / "harness" / "nodes" / "program"


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


@pytest.mark.parametrize("module", PROBE_MODULES)
def test_the_probe_runs_on_python_3_6_and_needs_nothing_else(module: str) -> None:
    text = (PROGRAM / f"{module}.py").read_text(encoding="utf-8")
    tree = ast.parse(text, feature_version=(3, 6))
    imports = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = itertools.chain.from_iterable(imported(node) for node in imports)
    annotations = [
        node.annotation for node in ast.walk(tree) if isinstance(node, (ast.arg, ast.AnnAssign))
    ]
    parts = [part for each in annotations if each for part in ast.walk(each)]

    foreign = {name for name in names if not name.startswith("harness.nodes.program.")}
    assert {name.split(".")[0] for name in foreign} <= sys.stdlib_module_names - {"dataclasses"}
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
