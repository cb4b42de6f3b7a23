"""Questions that the baseline of the nodes answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from harness.errors import NodeUnfit
from harness.fitness.question import Ask, Asked, Asks, Fit, Question, refuse
from harness.nodes.gpus import (
    apart_in_nvlink,
    unhealthy_gpus,
    unlike_gpus,
    unplanned_gpus,
    unreadable_conditions,
    without_imex,
)
from harness.nodes.inspection import TMP
from harness.nodes.room import (
    RUN_DIRECTORY_MIB,
    TMP_MIB,
    short_of_disk,
    short_of_memory,
    unreadable_room,
    without_huge_pages,
    wrong_clocks,
)
from harness.nodes.snapshot import Snapshot
from harness.preflight import shares_expert_memory


def node_asks(asked: Asked) -> Asks:
    """Return the questions about the nodes and their GPUs."""
    of = _Nodes(asked)
    per_node = asked.settings.num_gpus_per_node
    limits_mib = {str(TMP): TMP_MIB, str(asked.directory.path): RUN_DIRECTORY_MIB}
    return {
        Question.BASELINE: of.ask(lambda _: (), hint=""),
        Question.GPU_COUNT: of.ask(
            lambda nodes: unplanned_gpus(nodes, per_node),
            hint="NUM_GPUS_PER_NODE says how many are planned; else `nvidia-smi -L` there",
        ),
        Question.GPU_KIND: of.ask(unlike_gpus, hint="take nodes of one kind and one driver"),
        Question.GPU_HEALTH: of.ask(
            unhealthy_gpus,
            said=unreadable_conditions,
            hint="have the GPU reset or its node drained, and take another node",
        ),
        Question.NVLINK: of.ask(
            lambda nodes: apart_in_a_worker(nodes, [each.nodes for each in asked.plan.workers]),
            hint="ask Slurm for nodes of one NVLink domain (--segment, or a node list)",
        ),
        Question.IMEX: of.ask(
            without_imex,
            hint="is nvidia-imex running on the node, and has the job been given a channel?",
        ),
        Question.MEMORY: of.ask(
            lambda nodes: short_of_memory(nodes, ranks_per_node=per_node),
            said=unreadable_room,
            hint="what uses it? files in /dev/shm and /tmp count too",
        ),
        Question.DISK: of.ask(
            lambda nodes: short_of_disk(nodes, limits_mib),
            hint="the run directory must lie on a file system that every node sees (--run-dir)",
        ),
        Question.HUGE_PAGES: of.ask(
            lambda nodes: without_huge_pages(nodes, balancing_nodes(asked)),
            hint="echo madvise > /sys/kernel/mm/transparent_hugepage/enabled (as root, there)",
        ),
        Question.CLOCKS: of.ask(wrong_clocks, hint="is chronyd or ntpd running on the node?"),
    }


def apart_in_a_worker(nodes: Snapshot, workers: Iterable[Sequence[str]]) -> list[str]:
    """Return what keeps the nodes of one worker from sharing memory over NVLink.

    Workers may lie apart: a KV cache goes from one to the other over the network as well.
    """
    found = (line for each in workers for line in apart_in_nvlink(nodes.only(each)))
    return list(dict.fromkeys(found))


def balancing_nodes(asked: Asked) -> set[str]:
    """Return the nodes of workers whose ranks share experts through /dev/shm."""
    online = {
        config
        for config in asked.plan.engine_configs
        if shares_expert_memory(asked.settings, config)
    }
    return {
        node for each in asked.plan.workers if each.engine_config in online for node in each.nodes
    }


class _Nodes:
    """Makes questions about the baseline."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked

    def ask(
        self,
        find: Callable[[Snapshot], Iterable[str]],
        *,
        hint: str,
        said: Callable[[Snapshot], Iterable[str]] = lambda _: (),
    ) -> Ask:
        """Return a question; ``find`` yields what is wrong, ``said`` what is worth a word."""

        def answer() -> Fit:
            nodes = self._asked.baseline()
            refuse(find(nodes), NodeUnfit, hint=hint)
            return Fit(said=tuple(said(nodes)))

        return answer
