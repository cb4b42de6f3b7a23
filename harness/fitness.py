"""Whether nodes, Slurm and container are fit for the plan, each question asked once.

It is asked before anything heavy is started: by the tests of preflight, and by the first deployment
for what would surely make it fail. A question whose answer is no raises a named error, and later
:class:`~harness.once.NotRun`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from harness.compat import StrEnum
from harness.dynamo.plan import Plan
from harness.errors import NodeUnfit, QualificationError
from harness.nodes.gpus import (
    apart_in_nvlink,
    unhealthy_gpus,
    unlike_gpus,
    unplanned_gpus,
    unreadable_conditions,
    without_imex,
)
from harness.nodes.snapshot import Snapshot
from harness.nodes.words import in_words
from harness.once import Once
from harness.rundir import RunDirectory
from harness.settings import Settings
from harness.slurm.client import Slurm

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


NEEDED = (
    Question.STATES,
    Question.BASELINE,
    Question.GPU_COUNT,
    Question.GPU_KIND,
    Question.GPU_HEALTH,
    Question.NVLINK,
    Question.IMEX,
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
        }

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

    def _ask_baseline(self) -> Fit:
        self._baseline()
        return Fit()


def refuse(wrong: Iterable[str], kind: type[QualificationError], *, hint: str) -> None:
    """Raise an error of a kind if something is wrong, with the first few in words."""
    found = list(wrong)
    if found:
        raise kind(in_words(found), hint=hint)
