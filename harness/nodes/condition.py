"""What a node is like besides what it holds: facts that the probe reads when it is asked to.

The field names are the probe's; ``N/A`` is nvidia-smi's word for what a GPU does not have.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GpuHealth:
    """Memory errors of one GPU: uncorrected ones since the driver came up, and rows remapped.

    ``remap_pending`` and ``remap_failure`` are ``Yes``, ``No`` or ``[N/A]``.
    """

    uuid: str
    ecc_uncorrected: int | None
    remap_pending: str
    remap_failure: str


@dataclass(frozen=True)
class GpuRecovery:
    """What the driver says a GPU needs: ``None``, or ``Reset``, ``Reboot``, ``Drain P2P``, ..."""

    uuid: str
    action: str


@dataclass(frozen=True)
class GpuFabric:
    """Which NVLink domain (``cluster_uuid``) and part of it (``clique_id``) a GPU belongs to."""

    uuid: str
    state: str
    status: str
    clique_id: str
    cluster_uuid: str

    @property
    def in_fabric(self) -> bool:
        """Whether the GPU has a fabric at all that it registers with."""
        return self.state.strip("[]") not in {"N/A", "Not Supported"}

    @property
    def multinode(self) -> bool:
        """Whether its NVLink reaches other nodes: within one node the UUID is all zeros."""
        return bool(self.cluster_uuid.strip("0-")) and self.cluster_uuid.strip("[]") != "N/A"


@dataclass(frozen=True)
class Xid:
    """An error of the driver in the kernel's log, with its age."""

    number: int
    age_s: float
    bus_id: str
    words: str


@dataclass(frozen=True)
class Folder:
    """The room in a folder; ``None`` if the folder is not there or could not be read."""

    path: str
    free_mib: int | None


@dataclass(frozen=True)
class PyxisFile:
    """A Pyxis plugin that a node's Slurm loads; ``version`` is ``None`` where the file has none.

    Pyxis tells its version to slurmd's log and to enroot's hooks alone, which are root's. The word
    for the log stands in the file, since 0.17 with the version in it (``pyxis_slurmd.c``).
    """

    path: str
    version: str | None
    size_bytes: int
    sha256: str
