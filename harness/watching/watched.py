"""One step under watch: its process and what its logs tell."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

from harness.diagnosis.facts import Fact, Layer, Place, Source, Weight
from harness.diagnosis.listener import StepListener
from harness.diagnosis.signatures import STEP_ENDED
from harness.diagnosis.step_facts import step_facts
from harness.slurm.step import Step

_TOLD_BY_SRUN = re.compile(r"srun: error: \S+: tasks? ")


@dataclass(frozen=True)
class Watched:
    """A step that has to live, with who listens to its logs."""

    step: Step
    listener: StepListener
    layer: Layer

    def facts(self) -> list[Fact]:
        """Return all that is known of the step now."""
        return step_facts(self.step, self.listener.facts(), self.layer)

    def ended(self, new: Sequence[Fact]) -> Fact | None:
        """Return the end of the step, or of one of its tasks by srun's word among ``new``."""
        code = self.step.exit_code
        if code is None and not any(_TOLD_BY_SRUN.search(fact.words) for fact in new):
            return None
        words = f"{self.step.name} has ended" if code is not None else "srun tells of an ended task"
        place = Place(step=self.step.name, file=str(self.step.err))
        now = time.time()
        return Fact(now, Source.SLURM, self.layer, Weight.BREAK, words, place, STEP_ENDED)
