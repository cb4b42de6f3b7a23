"""Each node is a machine of its own; the shared folder is the only thing they share."""

from pathlib import Path

import pytest

from harness.nodes.inspection import probe_text
from harness.nodes.snapshot import parse_snapshots
from harness.nodes.software import software_facts
from harness.slurm.words import parse_config_word
from testbed.cluster.api import Cluster
from testbed.gpu import CUDA_VERSION
from tests.harness.testbed.kit import SMALL

pytestmark = pytest.mark.testbed


def _out(cluster: Cluster, host: str, *command: str) -> str:
    done = cluster.exec(host, list(command))
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("folder", ["/dev/shm", "/tmp", "/run"])
def test_a_file_in_a_nodes_own_folder_is_not_seen_elsewhere(cluster: Cluster, folder: str) -> None:
    _out(cluster, "node1", "touch", f"{folder}/mark")

    assert "mark" in _out(cluster, "node1", "ls", folder).split()
    assert "mark" not in _out(cluster, "node2", "ls", folder).split()
    _out(cluster, "node1", "rm", f"{folder}/mark")


def test_the_shared_folder_is_the_same_everywhere(cluster: Cluster) -> None:
    _out(cluster, "node1", "sh", "-c", "echo shared > /srv/mark")

    assert _out(cluster, "node2", "cat", "/srv/mark") == "shared"
    assert (cluster.state.shared / "mark").read_text() == "shared\n"


@pytest.mark.parametrize("number", [1, 2])
def test_a_node_has_its_own_name_and_address(cluster: Cluster, number: int) -> None:
    node = f"node{number}"

    assert _out(cluster, node, "hostname") == node
    assert _out(cluster, node, "hostname", "-i") == f"10.77.0.{number}"
    assert _out(cluster, node, "hostname", "-I") == f"10.77.0.{number}"


def test_nodes_reach_each_other_by_name_and_nothing_outside(cluster: Cluster) -> None:
    connect = "import socket,sys; socket.create_connection((sys.argv[1], 6818), timeout=5)"

    _out(cluster, "node1", "python3", "-c", connect, "node2")
    outside = cluster.exec("node1", ["python3", "-c", connect, "192.0.2.1"])
    assert "No route to host" in outside.stderr or "unreachable" in outside.stderr


def test_a_node_sees_its_own_processes_only(cluster: Cluster) -> None:
    processes = _out(cluster, "node2", "ps", "-e", "-o", "args=")

    assert "slurmd -D -N node2" in processes
    assert "slurmctld" not in processes
    assert len(processes.splitlines()) < 10


def test_dev_shm_has_the_size_that_was_asked_for(cluster: Cluster) -> None:
    size = _out(cluster, "node1", "df", "-m", "--output=size", "/dev/shm").split()[-1]

    assert int(size) == SMALL.shm_mib


def test_every_gpu_of_a_node_is_listed_by_its_nvidia_smi_and_by_no_other(cluster: Cluster) -> None:
    here, there = (
        _out(cluster, node, "nvidia-smi", "-L").splitlines() for node in ("node1", "node2")
    )

    assert len(here) == len(there) == SMALL.gpus_per_node
    assert all("emulated" in line for line in here)
    assert not set(here) & set(there)


def test_slurm_counts_cpus_and_gpus_of_a_gb200_tray(cluster: Cluster) -> None:
    node = _out(cluster, "login", "scontrol", "show", "node", "node2")

    assert f"Gres=gpu:{SMALL.gpus_per_node}" in node
    assert "CPUTot=72" in node


def test_pmix_is_among_the_mpi_plugins(cluster: Cluster) -> None:
    listed = cluster.exec("login", ["srun", "--mpi=list"])

    assert "pmix" in (listed.stdout + listed.stderr).split()


def test_the_machine_has_none_of_the_testbeds_interfaces_or_mounts(cluster: Cluster) -> None:
    interfaces = Path("/proc/net/dev").read_text()

    assert "switch" not in interfaces
    assert "to-node1" not in interfaces
    assert str(cluster.state.root) not in Path("/proc/self/mountinfo").read_text()


def test_a_node_has_the_devices_of_an_nvlink_domain_and_the_kernels_log(cluster: Cluster) -> None:
    fabric = ("--query-gpu=fabric.clusterUuid,fabric.cliqueId", "--format=csv,noheader")
    domains = [_out(cluster, node, "nvidia-smi", *fabric) for node in ("node1", "node2")]

    assert len(set("\n".join(domains).splitlines())) == 1
    assert _out(cluster, "node1", "ls", "/dev/nvidia-caps-imex-channels") == "channel0"
    assert "character special" in _out(cluster, "node1", "stat", "--format=%F", "/dev/kmsg")


def test_a_nodes_probe_reads_versions_that_say_they_are_emulated(cluster: Cluster) -> None:
    config = _out(cluster, "login", "scontrol", "show", "config")
    conf = parse_config_word(config, "PlugStackConfig")
    command = ("python3", "-I", "-S", "-c", probe_text(), "--condition", "--plugstack", conf)

    text = _out(cluster, "node2", "env", "SLURMD_NODENAME=node2", *command)
    facts = software_facts(parse_snapshots(text, expected_nodes=["node2"]))

    assert facts["cuda_of_driver"] == CUDA_VERSION
    assert facts["pyxis"].startswith("0.20.0+emulated, /")
    assert facts["enroot"] == "3.5.0+emulated"


def test_slurmd_says_the_version_of_its_pyxis_as_the_real_one_does(cluster: Cluster) -> None:
    log = (cluster.state.logs / "slurmd-node1.log").read_text()

    assert "pyxis: version v0.20.0+emulated" in log
