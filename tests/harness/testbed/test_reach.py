"""Nodes that cannot reach each other are found on a real network, and are named both ways."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from testbed.cluster.api import Cluster
from testbed.cluster.paths import PROJECT_ROOT
from tests.harness.testbed.kit import SMALL

pytestmark = pytest.mark.testbed

CHECK = """
import os, sys
sys.path.insert(0, sys.argv[1])
from harness.errors import NodesApart
from harness.nodes.reaching import check_reachable, pairs_between
from harness.slurm.allocation import current_allocation
from harness.slurm.client import Slurm

allocation = current_allocation(os.environ)
slurm, nodes = Slurm(allocation.job_id), allocation.nodes
try:
    found = check_reachable(
        slurm,
        pairs_between(nodes, nodes),
        addresses={node: slurm.node_address(node) for node in nodes},
        workers={"node2": "prefill-0", "node3": "decode-0"},
        step_name="qualify-r1-reach",
        deadline_s=1.5,
    )
except NodesApart as apart:
    print(apart.message)
else:
    print(sorted(found.exchange_ms))
"""


def check(cluster: Cluster, *, nodes: int) -> str:
    """Check the nodes in an allocation, from its first node."""
    command = [sys.executable, "-c", CHECK, str(PROJECT_ROOT)]
    done = cluster.run(command, nodes=nodes)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_nodes_of_one_network_reach_each_other(cluster: Cluster) -> None:
    assert check(cluster, nodes=2) == "[('node1', 'node2'), ('node2', 'node1')]"


def test_a_node_without_a_way_is_told_first_and_its_peer_second(own_cluster: Cluster) -> None:
    """Slurm's controller runs on node1: only a way between two others can be cut and told of."""
    own_cluster.up(replace(SMALL, nodes=3))
    cut = ["ip", "route", "add", "unreachable", "10.77.0.2/32"]
    assert own_cluster.exec("node3", cut).returncode == 0

    assert check(own_cluster, nodes=3) == (
        "node3 (decode-0) does not reach node2 (prefill-0) at 10.77.0.2: "
        "no route to host after 1.5 s; "
        "node2 (prefill-0) does not reach node3 (decode-0) at 10.77.0.3: timed out after 1.5 s; "
        "2 of 6 directions are broken"
    )
