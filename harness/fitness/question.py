"""The questions, and what an answer is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from harness.compat import StrEnum
from harness.dynamo.plan import Plan
from harness.errors import QualificationError
from harness.nodes.snapshot import Snapshot
from harness.nodes.words import in_words
from harness.rundir import RunDirectory
from harness.settings import Settings
from harness.slurm.client import Slurm


class Question(StrEnum):
    """What is asked, in the words of what is missing when the answer is no."""

    STATES = "nodes that Slurm holds for fit"
    BASELINE = "a clean baseline of the nodes"
    GPU_COUNT = "the planned GPUs on every node"
    GPU_KIND = "GPUs of one kind"
    GPU_HEALTH = "healthy GPUs"
    NVLINK = "one NVLink domain for each worker"
    IMEX = "an IMEX channel on every node"
    MEMORY = "free memory on every node"
    DISK = "room for files on every node"
    HUGE_PAGES = "huge pages for experts"
    CLOCKS = "one time on all nodes"
    MPI = "PMIx in Slurm"
    HEAD = "a head node that every node reaches"
    WALLTIME = "time for the plan"
    LAUNCH = "one MPI world of all ranks"
    VARIABLES = "the planned variables in the container"
    INJECTED = "an environment without harmful variables"
    PROXY = "ways between the parts of a deployment without a proxy"
    PATHS = "the plan's paths in the container"
    CONTAINER_GPUS = "the GPUs in the container"
    MODEL = "the whole model in the container"
    EXPERTS = "room for the experts in /dev/shm"


TOLD_ONLY = frozenset({Question.CLOCKS, Question.WALLTIME, Question.INJECTED})
"""A deployment may well work in spite of a no, and shows more than that no alone."""


@dataclass(frozen=True)
class Fit:
    """The answer yes; ``said`` has what a reader may want to know. A no is an error."""

    said: tuple[str, ...] = ()


Ask = Callable[[], Fit]
Asks = Mapping[Question, Ask]


@dataclass(frozen=True)
class Asked:
    """Whom and what the questions are about.

    ``baseline`` gives the clean nodes. ``stand_guard`` sees to it that no step in a container
    outlives pytest.
    """

    settings: Settings
    plan: Plan
    slurm: Slurm
    directory: RunDirectory
    baseline: Callable[[], Snapshot]
    stand_guard: Callable[[], object] = lambda: None


def refuse(wrong: Iterable[str], kind: type[QualificationError], *, hint: str) -> None:
    """Raise an error of a kind if something is wrong, with the first few in words."""
    found = list(wrong)
    if found:
        raise kind(in_words(found), hint=hint)
