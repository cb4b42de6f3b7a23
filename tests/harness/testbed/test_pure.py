"""The testbed's pure parts: shape, configuration text, what of salloc's words is told."""

import os
from pathlib import Path
from typing import Any

import pytest

from testbed.cluster import needs
from testbed.cluster.mounts import hidden_on_hosts
from testbed.cluster.paths import StateFolder
from testbed.cluster.run import unusual_lines
from testbed.cluster.shape import MAX_NODES, Shape
from testbed.cluster.slurmconf import gres_conf, slurm_conf
from testbed.gpu.devices import device_files


@pytest.mark.parametrize(
    "wrong", [{"nodes": 0}, {"nodes": MAX_NODES + 1}, {"gpus_per_node": -1}, {"shm_mib": 0}]
)
def test_a_shape_that_cannot_be_built_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Shape(**wrong)


@pytest.mark.parametrize("wrong", [{"nodes": 2, "gpus_per_node": 1}, {"gpus_per_node": 0}])
def test_real_gpus_are_those_of_one_node(wrong: dict[str, Any]) -> None:
    facts = {"nodes": 1, "real_gpus": True, **wrong}

    with pytest.raises(ValueError, match="real GPUs must be those of one node"):
        Shape(**facts)


def test_a_shape_with_real_gpus_is_read_back_as_it_was_written() -> None:
    shape = Shape(nodes=1, gpus_per_node=1, real_gpus=True)

    facts: dict[str, Any] = dict(shape.as_dict())

    assert Shape(**facts) == shape


def test_another_number_of_real_gpus_than_the_machine_has_is_refused() -> None:
    found = sum(file.is_gpu for file in device_files())
    shape = Shape(nodes=1, gpus_per_node=found + 1, real_gpus=True)

    assert any(f"it has {found}" in problem for problem in needs.real_gpu_problems(shape))


def test_device_files_of_the_driver_are_told_from_others(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip(f"making device files needs root; this is user id {os.geteuid()}")
    null = Path("/dev/null").stat().st_rdev
    for name in ("nvidia1", "nvidia0", "nvidiactl", "nvidia-uvm", "nvidia-else", "null"):
        os.mknod(tmp_path / name, 0o020600, null)
    (tmp_path / "nvidia2").touch()
    (tmp_path / "copy").mkdir()
    found = device_files(tmp_path)
    for file in found:
        file.make(tmp_path / "copy")

    assert [f.name for f in found] == ["nvidia-uvm", "nvidia0", "nvidia1", "nvidiactl"]
    assert [f.name for f in found if f.is_gpu] == ["nvidia0", "nvidia1"]
    assert device_files(tmp_path / "copy") == found


def test_nodes_are_named_and_addressed_by_number() -> None:
    shape = Shape(nodes=3)

    assert shape.names == ("node1", "node2", "node3")
    assert shape.node_list == "node[1-3]"
    assert shape.address("node3") == "10.77.0.3"
    assert "10.77.0.2 node2\n" in shape.hosts_file()


def test_slurm_conf_names_every_node_with_its_gpus() -> None:
    text = slurm_conf(Shape(nodes=2, gpus_per_node=4), StateFolder(Path("/state")))

    assert "ClusterName=testbed\n" in text
    assert text.count("Gres=gpu:4") == 2
    assert "Nodes=node[1-2]" in text


@pytest.mark.parametrize(
    ("gpus", "files"), [(1, "File=/dev/nvidia0"), (4, "File=/dev/nvidia[0-3]")]
)
def test_gres_conf_names_the_device_files(gpus: int, files: str) -> None:
    assert files in gres_conf(Shape(gpus_per_node=gpus))


def test_only_paths_below_a_nodes_own_folders_are_hidden() -> None:
    assert hidden_on_hosts(Path("/tmp/checkout"))
    assert not hidden_on_hosts(Path("/tmpfoo/checkout"))
    assert not hidden_on_hosts(Path("/home/me"))


def test_only_unusual_words_of_salloc_are_told() -> None:
    lines = [
        "salloc: Granted job allocation 5",
        "srun: error: node1: task 0: Exited with exit code 3",
        "slurmstepd: error: *** STEP 5.interactive CANCELLED DUE TO TIME LIMIT ***",
        "salloc: Relinquishing job allocation 5",
        "salloc: Job allocation 5 has been revoked.",
    ]

    assert unusual_lines(lines) == [lines[2]]


def test_a_state_folder_whose_sockets_would_have_too_long_names_is_refused() -> None:
    """Else slurmd comes up, and every step fails with "Unspecified error"."""
    state = StateFolder(Path("/tmp") / ("x" * 80))
    [problem] = needs._state_folder(state)

    assert "at most 70 bytes" in problem
    assert not state.root.exists()
