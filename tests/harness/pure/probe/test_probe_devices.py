"""The probe's answers about open devices of the driver, and the NUMA nodes of GPUs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.deadline import Deadline, wait_until
from harness.nodes.snapshot import (
    DeviceHolder,
    GpuDevice,
    NodeSnapshot,
)
from tests.harness.pure.probe.kit import (
    SmiDouble,
    answer,
    probed,
    running,
)


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
