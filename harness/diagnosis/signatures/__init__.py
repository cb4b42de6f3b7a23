"""The table of signatures: what known words mean, whose problem it is, what it is not.

Wording changes between releases: a row points to a cause, and no promise is decided by one. A line
that no row knows is judged by its form alone (:mod:`harness.diagnosis.log_form`). Sources: wheels
and runs of the releases named in ``holds``, and the issue trackers of the projects.
"""

from __future__ import annotations

from harness.diagnosis.signature import SignatureTable
from harness.diagnosis.signatures.engine import ENGINE_ROWS
from harness.diagnosis.signatures.names import (
    GPU_HELD,
    GPU_LEFT,
    HANG,
    INSTANCE_GONE,
    JOB_ENDED,
    NODE_SILENT,
    NODE_UNFIT,
    RANK_ENDED,
    RANK_KILLED,
    RANK_STOPPED,
    SERVICE_SILENT,
    STEP_CANCELLED,
    STEP_ENDED,
    TASK_END,
)
from harness.diagnosis.signatures.seen import SEEN_ROWS
from harness.diagnosis.signatures.services import HARMLESS, SERVICE_ROWS
from harness.diagnosis.signatures.slurm import SLURM_ROWS, TASK_ROWS

__all__ = [
    "GPU_HELD",
    "GPU_LEFT",
    "HANG",
    "INSTANCE_GONE",
    "JOB_ENDED",
    "NODE_SILENT",
    "NODE_UNFIT",
    "RANK_ENDED",
    "RANK_KILLED",
    "RANK_STOPPED",
    "SERVICE_SILENT",
    "SIGNATURES",
    "STEP_CANCELLED",
    "STEP_ENDED",
    "TASK_END",
]

SIGNATURES = SignatureTable(
    (*HARMLESS, *TASK_ROWS, *SEEN_ROWS, *SLURM_ROWS, *SERVICE_ROWS, *ENGINE_ROWS)
)
