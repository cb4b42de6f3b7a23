"""The shape of a testbed: how many nodes, how they are named and addressed."""

from __future__ import annotations

from dataclasses import asdict, dataclass

MAX_NODES = 18
MAX_GPUS_PER_NODE = 16
CLUSTER_NAME = "testbed"
PARTITION = "gb200"
NETWORK = "10.77.0"
LOGIN_NAME = "login"
LOGIN_ADDRESS = f"{NETWORK}.254"


@dataclass(frozen=True)
class Shape:
    """What `up` was asked for; `shm_mib` and `tmp_mib` size each node's /dev/shm and /tmp.

    With `real_gpus` the node's GPUs are the machine's own, else emulated.
    """

    nodes: int = 8
    gpus_per_node: int = 4
    shm_mib: int = 4096
    tmp_mib: int = 4096
    real_gpus: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be built (ValueError)."""
        if not 1 <= self.nodes <= MAX_NODES:
            raise ValueError(f"nodes must be 1 to {MAX_NODES}, not {self.nodes}")
        if not 0 <= self.gpus_per_node <= MAX_GPUS_PER_NODE:
            raise ValueError(
                f"GPUs per node must be 0 to {MAX_GPUS_PER_NODE}, not {self.gpus_per_node}"
            )
        if self.shm_mib < 1 or self.tmp_mib < 1:
            raise ValueError("sizes of /dev/shm and /tmp must be at least 1 MiB")
        if self.real_gpus and (self.nodes != 1 or not self.gpus_per_node):
            raise ValueError(
                "real GPUs must be those of one node: each node would show all the machine has"
                f" (asked for: {self.nodes} nodes, {self.gpus_per_node} GPUs each)"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """Node names, in order: node1, node2, ..."""
        return tuple(f"node{k}" for k in range(1, self.nodes + 1))

    @property
    def node_list(self) -> str:
        """The nodes in Slurm's bracket form: `node[1-8]`."""
        return "node1" if self.nodes == 1 else f"node[1-{self.nodes}]"

    def address(self, name: str) -> str:
        """Return the address of a node (or of the login host)."""
        if name == LOGIN_NAME:
            return LOGIN_ADDRESS
        return f"{NETWORK}.{name.removeprefix('node')}"

    def hosts_file(self) -> str:
        """/etc/hosts of every node and of the login host."""
        names = (*self.names, LOGIN_NAME)
        lines = [f"{self.address(name)} {name}" for name in names]
        return "\n".join(["127.0.0.1 localhost", *lines]) + "\n"

    def as_dict(self) -> dict[str, int]:
        """Return the shape as JSON-able values; `Shape(**d)` reads it back."""
        return asdict(self)
