"""The world of ranks a process belongs to: a real MPI world, or one process alone.

MPI is used at moments when all ranks are there: to start, to agree on the leader's address, to end.
Everything between goes over TCP, because MPI waits by spinning, and here many ranks share few
cores.
"""

from __future__ import annotations

import fcntl
import importlib
import os
import socket
import struct
from dataclasses import dataclass
from typing import Any

from .wire import listen

_SIOCGIFADDR = 0x8915


@dataclass(frozen=True)
class Meeting:
    """Where the ranks meet their leader.

    Its addresses, best first, its port, and the worker's key.
    """

    hosts: list[str]
    port: int
    key: str


class World:
    """A world of one rank."""

    rank = 0
    size = 1
    local_rank = 0
    local_size = 1

    def __init__(self) -> None:
        self.meeting = Meeting(["127.0.0.1"], 0, os.urandom(16).hex())
        self.listener: socket.socket | None = None

    def finalize(self) -> None:
        """Leave in order."""

    def abort(self, code: int) -> None:
        """End every rank of the world at once."""
        os._exit(code)


class MpiWorld(World):
    """A rank of the MPI world this process was started in, by srun or mpirun."""

    def __init__(self) -> None:
        mpi4py = importlib.import_module("mpi4py")
        mpi4py.rc.initialize = False
        mpi4py.rc.finalize = False
        self._mpi: Any = importlib.import_module("mpi4py.MPI")
        self._mpi.Init()
        comm = self._mpi.COMM_WORLD
        self.rank, self.size = comm.Get_rank(), comm.Get_size()
        self.listener = listen("0.0.0.0", 0) if self.rank == 0 and self.size > 1 else None  # noqa: S104
        port = self.listener.getsockname()[1] if self.listener else 0
        mine = (
            socket.gethostname(),
            addresses() if self.rank == 0 else [],
            port,
            os.urandom(16).hex(),
        )
        everyone = comm.allgather(mine)
        self.meeting = Meeting(everyone[0][1], everyone[0][2], everyone[0][3])
        on_this_node = [rank for rank, entry in enumerate(everyone) if entry[0] == mine[0]]
        self.local_rank, self.local_size = on_this_node.index(self.rank), len(on_this_node)

    def finalize(self) -> None:
        """Leave the MPI world together with all others."""
        self._mpi.Finalize()

    def abort(self, code: int) -> None:
        """MPI_Abort."""
        self._mpi.COMM_WORLD.Abort(code)


def join_world() -> World:
    """Join the MPI world of this process; without a launcher's variables there is only one rank."""
    launched = any(
        name in os.environ
        for name in ("PMIX_RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "SLURM_PROCID")
    )
    return MpiWorld() if launched else World()


def addresses() -> list[str]:
    """Return this node's IPv4 addresses, loopback last."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode()[:15])
            try:
                found.append(socket.inet_ntoa(fcntl.ioctl(probe, _SIOCGIFADDR, request)[20:24]))
            except OSError:  # an interface without an address
                continue
    return sorted(found, key=lambda address: address.startswith("127.")) or ["127.0.0.1"]
