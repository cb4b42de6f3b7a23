"""The questions of one run and their answers."""

from __future__ import annotations

from collections.abc import Mapping

from harness.fitness.container import container_asks
from harness.fitness.nodes import node_asks
from harness.fitness.question import TOLD_ONLY, Ask, Asked, Fit, Question
from harness.fitness.slurm import slurm_asks
from harness.once import Once

FITNESS_FILE = "preflight.json"
"""Name in the run directory: the questions answered with yes, and what was said on the way."""


class Fitness:
    """Asks each question once.

    A no is raised as a named error, and later as :class:`~harness.once.NotRun`. The baseline asks
    for the nodes' states itself.
    """

    def __init__(self, asked: Asked) -> None:
        self._directory = asked.directory
        self._said: dict[Question, tuple[str, ...]] = {}
        asks = {**slurm_asks(asked), **node_asks(asked), **container_asks(asked)}
        self._questions: Mapping[Question, Once[Fit]] = {
            question: self._once(question, asks[question]) for question in Question
        }

    def ask(self, question: Question) -> Fit:
        """Return the answer, found out now if it has not been; raises where it is no."""
        return self._questions[question].get()

    def require(self) -> None:
        """Ask all that a deployment surely fails without, or whose outcome says nothing then."""
        for question in self._questions:
            if question not in TOLD_ONLY:
                self.ask(question)

    def facts(self) -> dict[str, str]:
        """Return what was said, by those questions that had something to say."""
        told = {question: said for question, said in self._said.items() if said}
        return {f"preflight_{each.name.lower()}": "; ".join(told[each]) for each in told}

    def _once(self, question: Question, ask: Ask) -> Once[Fit]:
        return Once(str(question), lambda: self._kept(question, ask()))

    def _kept(self, question: Question, fit: Fit) -> Fit:
        self._said[question] = fit.said
        self._directory.write_json(FITNESS_FILE, self._said)
        return fit
