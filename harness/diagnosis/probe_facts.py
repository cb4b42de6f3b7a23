"""What a look at the nodes adds: who holds GPU memory, which ranks are stopped, who is silent."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping

from harness.diagnosis.facts import Fact, Layer, Place, Source, Weight
from harness.diagnosis.signatures import GPU_HELD, GPU_LEFT, NODE_SILENT, RANK_STOPPED, SIGNATURES
from harness.nodes.snapshot import Gpu, GpuProcess, NodeSnapshot, Snapshot
from harness.nodes.words import gpu_words


def held_memory(
    snapshot: Snapshot, *, live_steps: Collection[str], idle_mib: int, nodes: Collection[str]
) -> list[Fact]:
    """Return who else holds GPU memory above ``idle_mib`` on ``nodes``.

    ``live_steps`` are the numbers of the steps whose ranks may: what others of the job hold was
    left behind, what nobody of the job holds is a stranger's.
    """
    return [
        _holder(node, gpu, app)
        for node in snapshot.nodes.values()
        if node.node in nodes
        for gpu in node.gpus or ()
        for app in node.apps_on(gpu.uuid)
        if (app.memory_mib or 0) > idle_mib and not _belongs(node, app.pid, live_steps)
    ]


def stopped_ranks(snapshot: Snapshot, steps: Mapping[str, str]) -> list[Fact]:
    """Return the ranks of steps (number to name) of which a process is stopped."""
    return [
        _fact(
            RANK_STOPPED,
            f"process {process.pid} ({process.name}) of rank {process.rank} is stopped",
            Place(steps[str(process.step)], str(process.step), node.node, process.rank),
        )
        for node in snapshot.nodes.values()
        for process in node.processes or ()
        if process.stopped and process.rank is not None and process.step in steps
    ]


def silent_node(words: str, nodes: Collection[str]) -> list[Fact]:
    """Return the nodes that a failed look names, from its words; one fact without a node if none.

    Slurm names a node that it could not start a task on (``on node node3``), the suite those that
    no word came from.
    """
    named = [node for node in nodes if f"on node {node}:" in words or f"[{node}]" in words]
    if not named and "no word came from" in words:
        rest = words.partition("no word came from ")[2].partition(":")[0]
        named = [node for node in nodes if node in rest.split(", ")]
        named = named if len(named) < len(nodes) else []
    told = " ".join(words.split())[:300]
    return [
        _fact(NODE_SILENT, f"{node} is not reached: {told}", Place(node=node)) for node in named
    ]


def _belongs(node: NodeSnapshot, pid: int | None, live_steps: Collection[str]) -> bool:
    return any(
        process.pid == pid and process.step in live_steps for process in node.processes or ()
    )


def _holder(node: NodeSnapshot, gpu: Gpu, app: GpuProcess) -> Fact:
    of_job = [process for process in node.processes or () if process.pid == app.pid]
    name = GPU_LEFT if of_job else GPU_HELD
    step = f" of step {of_job[0].step}, which has ended" if of_job else ", which is not of this job"
    words = f"{gpu_words(node, gpu)}: {app.memory_mib} MiB are held by pid {app.pid}"
    return _fact(name, f"{words} ({app.name}){step}", Place(node=node.node))


def _fact(name: str, words: str, place: Place) -> Fact:
    row = SIGNATURES.rows[name]
    layer: Layer = row.layer
    cls = str(row.verdict_class)
    return Fact(time.time(), Source.PROBE, layer, Weight.BREAK, words, place, name, cls)
