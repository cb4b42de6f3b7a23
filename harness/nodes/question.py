"""Pure: memory on one GPU that has to be explained, and who comes into question for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.nodes.numa import page_cache_grown_mib
from harness.nodes.ownership import Ownership
from harness.nodes.snapshot import DeviceHolder, Gpu, GpuProcess, NodeSnapshot
from harness.slurm.nodelist import fold

LOOKERS = frozenset({"nvidia-smi"})
"""Programs that have a device open for a moment to look at it, and hold no memory."""


@dataclass(frozen=True)
class LiveStep:
    """A worker's step that has not ended."""

    name: str
    step_id: str
    nodes: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name} (step {self.step_id or 'without an id'}, {fold(self.nodes)})"


@dataclass(frozen=True)
class Question:
    """Memory to be explained: ``above_mib`` MiB of a GPU, more than ``tolerance_mib``.

    ``before`` is the node's baseline, if there is one. ``live_steps`` are the workers of the run
    that have not ended, ``None`` before there are any.
    """

    ours: Ownership
    gpu: Gpu
    before: NodeSnapshot | None
    above_mib: int
    tolerance_mib: int
    live_steps: Sequence[LiveStep] | None = None

    @property
    def node(self) -> NodeSnapshot:
        """The node as it is now."""
        return self.ours.node

    @property
    def device(self) -> str:
        """Name of the GPU's device; the minor is the index unless the driver says otherwise."""
        known = {each.uuid: each.minor for each in self.node.gpu_devices or ()}
        return f"nvidia{known.get(self.gpu.uuid, self.gpu.index)}"

    @property
    def cache_mib(self) -> int:
        """Page cache that has come to the GPU's memory since the baseline."""
        return min(self.above_mib, page_cache_grown_mib(self.node, self.before, self.gpu))

    @property
    def suspects(self) -> list[GpuProcess]:
        """The named processes that may hold it; a live stranger's share is counted already."""
        apps = self.node.apps_on(self.gpu.uuid)
        if self.before is None:
            return list(apps)
        return [
            app for app in apps if app.gone or app.memory_mib is None or self.ours.has_pid(app.pid)
        ]

    @property
    def unnamed(self) -> list[DeviceHolder]:
        """Who has the device open without being named for it, by preference not at all.

        A daemon that had it open before the run (nvidia-persistenced, DCGM) is left out.
        """
        named = {app.pid for app in self.node.apps_on(self.gpu.uuid)}
        elsewhere = {app.pid for app in self.node.compute_apps or ()}
        earlier = {each.identity for each in self.having_it_open(self.before)}
        old = earlier - set(self.ours.steps)
        found = [
            each
            for each in self.having_it_open(self.node)
            if each.pid not in named and each.identity not in old
        ]
        return [each for each in found if each.pid not in elsewhere] or found

    @property
    def importers(self) -> list[LiveStep]:
        """Live workers with ranks on other nodes."""
        return [step for step in self.live_steps or () if set(step.nodes) - {self.node.node}]

    def having_it_open(self, node: NodeSnapshot | None) -> list[DeviceHolder]:
        """Return who has the GPU's device open at some moment."""
        holders = node.device_holders or () if node else ()
        return [
            each for each in holders if self.device in each.devices and each.name not in LOOKERS
        ]
