"""GPUs that cannot carry a worker: each named with its node; what cannot be read is only said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.fitness.nodes import apart_in_a_worker
from harness.nodes.condition import GpuFabric, GpuHealth, GpuRecovery, Xid
from harness.nodes.gpus import (
    apart_in_nvlink,
    unhealthy_gpus,
    unlike_gpus,
    unplanned_gpus,
    unreadable_conditions,
    without_imex,
)
from harness.nodes.snapshot import NodeSnapshot, Unreadable
from tests.harness.pure.fitness_kit import DOMAIN, fit_node, nodes

OTHER = "11111111-2222-3333-4444-555555555555"
ZEROS = "00000000-0000-0000-0000-000000000000"


def with_fabric(name: str, cluster: str, **fields: str) -> NodeSnapshot:
    facts = {"state": "Completed", "status": "Success", "clique_id": "32766", **fields}
    gpus = fit_node(name).gpus or ()
    return fit_node(
        name, gpu_fabric=tuple(GpuFabric(g.uuid, cluster_uuid=cluster, **facts) for g in gpus)
    )


def test_fit_nodes_have_nothing_to_be_said_of() -> None:
    fit = nodes()

    assert not list(unplanned_gpus(fit, 2))
    for find in (unlike_gpus, unhealthy_gpus, apart_in_nvlink, without_imex, unreadable_conditions):
        assert not list(find(fit))


def test_a_missing_gpu_is_told_with_both_numbers() -> None:
    node = fit_node("node2")

    assert list(unplanned_gpus(nodes(replace(node, gpus=(node.gpus or ())[:1])), 2)) == [
        "node2: 2 GPUs are planned, nvidia-smi shows 1"
    ]


def test_one_uuid_on_two_nodes_is_told() -> None:
    twins = nodes(fit_node("node2", gpus=fit_node("node1").gpus))

    assert "node1, node2: GPU-node1-0 is shown 2 times" in list(unplanned_gpus(twins, 2))


def test_the_odd_one_out_is_named_against_the_most() -> None:
    gpus = [replace(gpu, driver="570") for gpu in fit_node("node3").gpus or ()]

    [told] = unlike_gpus(nodes(fit_node("node3", gpus=tuple(gpus))))

    assert told.startswith("node3: NVIDIA GB200, driver 570, 189471 MiB; most have ")
    assert told.endswith("NVIDIA GB200, driver 580, 189471 MiB")


@pytest.mark.parametrize(
    ("health", "words"),
    [
        (GpuHealth("GPU-node2-1", 2, "No", "No"), "2 uncorrected ECC errors"),
        (GpuHealth("GPU-node2-1", 0, "Yes", "No"), "remapping is pending"),
        (GpuHealth("GPU-node2-1", None, "[N/A]", "Yes"), "remapping has failed"),
    ],
)
def test_memory_errors_are_named_with_the_gpu(health: GpuHealth, words: str) -> None:
    [told] = unhealthy_gpus(nodes(fit_node("node2", gpu_health=(health,))))

    assert told.startswith("node2: GPU 1 (GPU-node2-1): ")
    assert words in told


def test_what_the_driver_asks_for_is_told() -> None:
    sick = fit_node("node2", gpu_recovery=(GpuRecovery("GPU-node2-0", "Reset"),))

    assert list(unhealthy_gpus(nodes(sick))) == [
        "node2: GPU 0 (GPU-node2-0): the driver asks for Reset"
    ]


@pytest.mark.parametrize(
    ("number", "age_s", "told"), [(79, 60.0, True), (79, 7200.0, False), (31, 60.0, False)]
)
def test_recent_xids_of_the_hardware_count(number: int, age_s: float, told: bool) -> None:
    sick = fit_node("node2", xids=(Xid(number, age_s, "0008:01:00", "GPU has fallen off"),))

    assert bool(list(unhealthy_gpus(nodes(sick)))) is told


def test_another_domain_with_the_same_clique_is_apart() -> None:
    assert list(apart_in_nvlink(nodes(with_fabric("node3", OTHER)))) == [
        f"node1, node2: clusterUuid {DOMAIN}, cliqueId 32766",
        f"node3: clusterUuid {OTHER}, cliqueId 32766",
    ]


def test_another_clique_and_no_domain_are_apart() -> None:
    other_clique = nodes(with_fabric("node3", DOMAIN, clique_id="1"))
    no_domain = nodes(with_fabric("node3", ZEROS))

    assert list(apart_in_nvlink(other_clique))[1].endswith("cliqueId 1")
    assert list(apart_in_nvlink(no_domain))[1] == "node3: no NVLink domain"


def test_a_gpu_that_has_not_joined_is_named() -> None:
    told = list(apart_in_nvlink(nodes(with_fabric("node3", DOMAIN, state="In Progress"))))

    assert told[0] == (
        "node3: GPU-node3-0 has not joined its NVLink fabric: state In Progress, status Success"
    )


def test_gpus_without_a_fabric_between_nodes_are_not_apart() -> None:
    """An H100 alone says N/A to all of it; eight of them behind NVSwitch have a UUID of zeros."""
    alone = [with_fabric(f"node{at}", "N/A", state="N/A", status="N/A") for at in (1, 2, 3)]
    eight = [with_fabric(f"node{at}", ZEROS, clique_id="0") for at in (1, 2, 3)]

    assert not list(apart_in_nvlink(nodes(*alone)))
    assert not list(apart_in_nvlink(nodes(*eight)))
    assert not list(without_imex(nodes(*[replace(node, imex_channels=()) for node in alone])))


def test_a_node_without_a_channel_is_named() -> None:
    assert list(without_imex(nodes(fit_node("node2", imex_channels=())))) == [
        "node2: no channel in /dev/nvidia-caps-imex-channels"
    ]


def test_what_cannot_be_read_is_said_and_no_failure() -> None:
    closed = {"xids": None, "errors": (Unreadable("xids", "PermissionError: kmsg"),)}
    snapshot = nodes(*[fit_node(name, **closed) for name in ("node1", "node2")])

    assert list(unreadable_conditions(snapshot)) == ["node1, node2: xids: PermissionError: kmsg"]
    assert not list(unhealthy_gpus(snapshot))


def test_workers_may_lie_in_domains_of_their_own() -> None:
    snapshot = nodes(with_fabric("node1", DOMAIN), with_fabric("node2", OTHER))

    assert apart_in_a_worker(snapshot, [("node1",), ("node2",)]) == []
    assert len(apart_in_a_worker(snapshot, [("node1", "node2"), ("node1", "node2")])) == 2
