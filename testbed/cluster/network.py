"""The network of the testbed: a bridge in the anchor's namespace, one cable to each node.

All of it lives in network namespaces of the testbed's own; the machine's network is not touched.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from testbed.cluster.shape import LOGIN_ADDRESS, Shape

DEADLINE_S = 20
BRIDGE = "switch"


def _ip(lines: list[str]) -> None:
    """Run `ip` once over many commands; raises RuntimeError with its words."""
    done = subprocess.run(
        ["ip", "-batch", "-"],
        input="\n".join(lines) + "\n",
        text=True,
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"ip -batch failed ({done.returncode}): {done.stderr.strip()}")


def make_switch(node_pids: Mapping[str, int]) -> None:
    """In the anchor: the bridge, and a cable into the network namespace of each node's init."""
    lines = ["link set lo up", f"link add {BRIDGE} type bridge"]
    for name, pid in node_pids.items():
        lines.append(f"link add name to-{name} type veth peer name eth0 netns {pid}")
        lines.append(f"link set to-{name} addrgenmode none master {BRIDGE} up")
    lines.append(f"link set {BRIDGE} addrgenmode none up")
    lines.append(f"address add {LOGIN_ADDRESS}/24 dev {BRIDGE}")
    # What is outside the cluster is answered with "unreachable" at once instead of with silence.
    lines.append("route add unreachable default")
    _ip(lines)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    Path("/proc/sys/net/ipv4/icmp_ratelimit").write_text("0")


def connect_node(shape: Shape, *, name: str) -> None:
    """In a node: loopback and eth0 up, with the node's address."""
    _ip(
        [
            "link set lo up",
            "link set eth0 addrgenmode none up",
            f"address add {shape.address(name)}/24 dev eth0",
            f"route add default via {LOGIN_ADDRESS}",
        ]
    )
