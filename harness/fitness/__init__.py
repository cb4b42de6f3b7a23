"""Whether nodes, Slurm and container are fit for the plan, each question asked once.

It is asked before anything heavy is started: by the tests of preflight, and by every deployment for
what would surely make it fail.
"""

from __future__ import annotations

from harness.fitness.fitness import Fitness
from harness.fitness.question import Asked, Fit, Question

__all__ = ["Asked", "Fit", "Fitness", "Question"]
