"""Whether nodes, Slurm and container are fit for the plan, each question asked once.

It is asked before anything heavy is started: by the tests of preflight, and by the first deployment
for what would surely make it fail. A question whose answer is no raises a named error, and later
:class:`~harness.once.NotRun`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from harness.compat import StrEnum
from harness.dynamo.budget import budget_words, too_little_time
from harness.dynamo.head_address import wrong_address
from harness.dynamo.plan import Plan
from harness.errors import EnvironmentUnfit, LaunchUnfit, NodeUnfit, QualificationError
from harness.nodes.gpus import (
    apart_in_nvlink,
    unhealthy_gpus,
    unlike_gpus,
    unplanned_gpus,
    unreadable_conditions,
    without_imex,
)
from harness.nodes.inspection import TMP
from harness.nodes.reaching import check_reachable
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
from harness.nodes.words import in_words
from harness.once import Once
from harness.preflight import shares_expert_memory
from harness.rundir import RunDirectory
from harness.settings import Settings
from harness.slurm.client import Slurm

MPI_TYPE = "pmix"
"""What a worker's step is started with (``srun --mpi``)."""

FITNESS_FILE = "preflight.json"
"""Name in the run directory: what was asked, and what was said on the way without failing."""


class Question(StrEnum):
    """What is asked."""

    STATES = "nodes that Slurm holds for fit"
    BASELINE = "a clean baseline of the nodes"
    GPU_COUNT = "the planned GPUs on every node"
    GPU_KIND = "GPUs of one kind"
    GPU_HEALTH = "healthy GPUs"
    NVLINK = "one NVLink domain"
    IMEX = "an IMEX channel on every node"
    MEMORY = "free memory on every node"
    DISK = "room for files on every node"
    HUGE_PAGES = "huge pages for experts"
    CLOCKS = "one time on all nodes"
    MPI = "PMIx in Slurm"
    HEAD = "a head node that every node reaches"
    WALLTIME = "time for the plan"


NEEDED = (
    Question.STATES,
    Question.BASELINE,
    Question.GPU_COUNT,
    Question.GPU_KIND,
    Question.GPU_HEALTH,
    Question.NVLINK,
    Question.IMEX,
    Question.MEMORY,
    Question.DISK,
    Question.HUGE_PAGES,
    Question.MPI,
    Question.HEAD,
)
"""What a deployment surely fails without, or what would make its outcome say nothing."""


@dataclass(frozen=True)
class Fit:
    """The answer to a question: ``unfit`` is empty, ``said`` has what a reader may want to know."""

    unfit: tuple[str, ...] = ()
    said: tuple[str, ...] = ()


Ask = Callable[[], Fit]


class Fitness:
    """The questions of one run and their answers.

    ``baseline`` gives the clean nodes before the first step, and asks for :meth:`states` itself.
    """

    def __init__(
        self,
        settings: Settings,
        plan: Plan,
        *,
        slurm: Slurm,
        directory: RunDirectory,
        baseline: Callable[[], Snapshot],
    ) -> None:
        self._settings = settings
        self._plan = plan
        self._slurm = slurm
        self._directory = directory
        self._baseline = baseline
        self._said: dict[str, tuple[str, ...]] = {}
        self._questions: Mapping[Question, Once[Fit]] = {
            question: self._once(question, ask) for question, ask in self._asks().items()
        }

    def ask(self, question: Question) -> Fit:
        """Return the answer, found out now if it has not been; raises where it is no."""
        return self._questions[question].get()

    def require(self) -> None:
        """Ask all that a deployment surely fails without, or whose outcome says nothing then."""
        for question in NEEDED:
            self.ask(question)

    def facts(self) -> dict[str, str]:
        """Return what was said by those questions that had something to say."""
        return {f"preflight: {what}": "; ".join(said) for what, said in self._said.items() if said}

    def _asks(self) -> dict[Question, Ask]:
        per_node = self._settings.num_gpus_per_node
        return {
            Question.STATES: self._ask_states,
            Question.BASELINE: self._ask_baseline,
            Question.GPU_COUNT: self._of_nodes(
                lambda nodes: unplanned_gpus(nodes, per_node),
                hint="NUM_GPUS_PER_NODE says how many are planned; else `nvidia-smi -L` there",
            ),
            Question.GPU_KIND: self._of_nodes(
                unlike_gpus, hint="take nodes of one kind and one driver"
            ),
            Question.GPU_HEALTH: self._of_nodes(
                unhealthy_gpus,
                said=unreadable_conditions,
                hint="have the GPU reset or its node drained, and take another node",
            ),
            Question.NVLINK: self._of_nodes(
                apart_in_nvlink,
                hint="ask Slurm for nodes of one NVLink domain (--segment, or a node list)",
            ),
            Question.IMEX: self._of_nodes(
                without_imex,
                hint="is nvidia-imex running on the node, and has the job been given a channel?",
            ),
            Question.MEMORY: self._of_nodes(
                lambda nodes: short_of_memory(nodes, ranks_per_node=per_node),
                said=unreadable_room,
                hint="what uses it? a job of the node's earlier user, or page cache of /dev/shm",
            ),
            Question.DISK: self._of_nodes(
                lambda nodes: short_of_disk(nodes, self._limits_mib()),
                hint="the run directory must lie on a file system that every node sees (--run-dir)",
            ),
            Question.HUGE_PAGES: self._of_nodes(
                lambda nodes: without_huge_pages(nodes, self._balancing()),
                hint="echo madvise > /sys/kernel/mm/transparent_hugepage/enabled (as root, there)",
            ),
            Question.CLOCKS: self._of_nodes(
                wrong_clocks, hint="is chronyd or ntpd running on the node?"
            ),
            Question.MPI: self._ask_mpi,
            Question.HEAD: self._ask_head,
            Question.WALLTIME: self._ask_walltime,
        }

    def _limits_mib(self) -> dict[str, int]:
        return {str(TMP): TMP_MIB, str(self._directory.path): RUN_DIRECTORY_MIB}

    def _balancing(self) -> set[str]:
        """Return the nodes of workers whose ranks share experts through /dev/shm."""
        workers = [worker for each in self._plan.deployments for worker in each.placement.workers]
        online = {
            config
            for config in {worker.engine_config for worker in workers}
            if shares_expert_memory(self._settings, config)
        }
        return {node for each in workers if each.engine_config in online for node in each.nodes}

    def _once(self, question: Question, ask: Ask) -> Once[Fit]:
        return Once(str(question), lambda: self._kept(question, ask()))

    def _kept(self, question: Question, fit: Fit) -> Fit:
        self._said[question] = fit.said
        self._directory.write_json(FITNESS_FILE, self._said)
        return fit

    def _of_nodes(
        self,
        find: Callable[[Snapshot], Iterable[str]],
        *,
        hint: str,
        said: Callable[[Snapshot], Iterable[str]] = lambda _: (),
    ) -> Ask:
        """Make a question about the baseline; ``find`` yields what is wrong with the nodes."""

        def ask() -> Fit:
            nodes = self._baseline()
            refuse(tuple(find(nodes)), NodeUnfit, hint=hint)
            return Fit(said=tuple(said(nodes)))

        return ask

    def _ask_states(self) -> Fit:
        rows = {row.name: row for row in self._slurm.nodes(self._plan.nodes)}
        unknown = [node for node in self._plan.nodes if node not in rows]
        wrong = [f"{node} is not known to Slurm" for node in unknown]
        wrong += [row.why_unfit for row in rows.values() if row.why_unfit]
        refuse(wrong, NodeUnfit, hint="take other nodes, or have these resumed; see `sinfo -R`")
        return Fit()

    def _ask_mpi(self) -> Fit:
        types = self._slurm.mpi_types()
        missing = [] if MPI_TYPE in types else [f"srun takes --mpi={', '.join(types)}, not pmix"]
        refuse(missing, LaunchUnfit, hint="Slurm's mpi/pmix plugin is missing or does not load")
        return Fit()

    def _ask_head(self) -> Fit:
        nodes = self._baseline().nodes
        context = self._plan.deployments[0].context
        head, address = context.head_node, context.head_address
        own = nodes[head].addresses if head in nodes else None
        hint = "HEAD_NODE_IP gives an address of the head node that every node reaches"
        refuse(wrong_address(address, head=head, own=own), EnvironmentUnfit, hint=hint)
        check_reachable(
            self._slurm,
            [(node, head) for node in self._plan.nodes if node != head],
            addresses={**dict.fromkeys(self._plan.nodes, ""), head: address},
            workers={head: "etcd, NATS and the frontend"},
            step_name=f"qualify-{self._directory.run_id}-reach-head",
            account=self._settings.account,
            hint=hint,
        )
        return Fit(said=(f"{address} of {', '.join(own or ('unknown addresses',))}",))

    def _ask_walltime(self) -> Fit:
        left_s = self._slurm.seconds_left()
        refuse(
            too_little_time(self._plan, left_s),
            EnvironmentUnfit,
            hint="take a longer allocation (salloc --time), or lower START_TIMEOUT_S",
        )
        return Fit(said=(budget_words(self._plan, left_s),))

    def _ask_baseline(self) -> Fit:
        self._baseline()
        return Fit()


def refuse(wrong: Iterable[str], kind: type[QualificationError], *, hint: str) -> None:
    """Raise an error of a kind if something is wrong, with the first few in words."""
    found = list(wrong)
    if found:
        raise kind(in_words(found), hint=hint)
