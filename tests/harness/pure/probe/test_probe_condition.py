"""What the probe says a node is like, when it is asked to."""

from __future__ import annotations

from pathlib import Path

from harness.nodes.condition import GpuFabric, GpuHealth
from tests.harness.pure.probe.kit import SmiDouble, probed

CONDITION = """case "$1" in
*fabric*) echo "GPU-aa, Completed, Success, 32766, 7e57bed0-0000-4000-8000-000000000072";;
*remapped*) echo "GPU-aa, [N/A], Yes, No";;
*recovery*) echo 'Field "gpu_recovery_action" is not a valid field to query.'; exit 2;;
*) exit 0;;
esac"""
LOG = """6,100,5000000,-;usb 1-1: new device
3,101,1000000,-;NVRM: Xid (PCI:0008:01:00): 79, pid='<unknown>', GPU has fallen off the bus.
 SUBSYSTEM=pci
14,102,1000000,-;NVRM: Xid (PCI:0008:01:00): 48, a program wrote this
"""


def test_condition_is_left_out_unless_asked_for(smi_double: SmiDouble) -> None:
    smi_double("exit 0")

    node = probed()

    assert (node.gpu_health, node.xids, node.folders, node.thp) == (None, None, None, None)


def test_gpus_tell_their_condition(smi_double: SmiDouble) -> None:
    smi_double(CONDITION)

    node = probed("--condition")

    assert node.gpu_health == (GpuHealth("GPU-aa", None, "Yes", "No"),)
    assert node.gpu_fabric is not None
    [fabric] = node.gpu_fabric
    assert isinstance(fabric, GpuFabric)
    assert fabric.multinode


def test_a_field_that_a_driver_does_not_know_is_unreadable_and_no_more(
    smi_double: SmiDouble,
) -> None:
    smi_double(CONDITION)

    node = probed("--condition")

    assert node.gpu_recovery is None
    assert "is not a valid field" in node.why_unreadable("gpu_recovery")
    assert node.gpu_health is not None


def test_the_drivers_errors_are_read_from_the_kernels_words_alone(
    smi_double: SmiDouble, tmp_path: Path
) -> None:
    smi_double("exit 0")
    log = tmp_path / "kmsg"
    log.write_text(LOG)

    node = probed("--condition", instead={"/dev/kmsg": log})

    assert node.xids is not None
    assert [(xid.number, xid.bus_id) for xid in node.xids] == [(79, "0008:01:00")]
    assert "fallen off the bus" in node.xids[0].words


def test_a_closed_kernel_log_is_said(smi_double: SmiDouble, tmp_path: Path) -> None:
    smi_double("exit 0")

    node = probed("--condition", instead={"/dev/kmsg": tmp_path / "none"})

    assert node.xids is None
    assert "FileNotFoundError" in node.why_unreadable("xids")


def test_surroundings_are_read(smi_double: SmiDouble, tmp_path: Path) -> None:
    smi_double("exit 0")
    pages, channels = tmp_path / "enabled", tmp_path / "channels"
    pages.write_text("always [madvise] never\n")
    channels.mkdir()
    (channels / "channel7").touch()
    instead = {
        "/sys/kernel/mm/transparent_hugepage/enabled": pages,
        "/dev/nvidia-caps-imex-channels": channels,
    }

    node = probed("--condition", instead=instead)

    assert node.thp == "madvise"
    assert node.imex_channels == ("channel7",)
    assert "127.0.0.1" in (node.addresses or ())


def test_room_in_folders_is_told_and_a_missing_one_is_unreadable(
    smi_double: SmiDouble, tmp_path: Path
) -> None:
    smi_double("exit 0")

    node = probed("--folder", str(tmp_path), "--folder", "/no/such/folder")

    assert node.folders is not None
    assert [folder.path for folder in node.folders] == [str(tmp_path), "/no/such/folder"]
    assert (node.folders[0].free_mib or 0) > 0
    assert node.folders[1].free_mib is None
    assert "No such file" in node.why_unreadable("folders")
