"""What the tests of diagnoses share: facts of a worker and of those around it, and a Slurm."""

from __future__ import annotations

from collections.abc import Sequence

from harness.diagnosis.facts import Fact, Layer, Place, Source, Weight
from harness.diagnosis.log_form import Form
from harness.diagnosis.signatures import SIGNATURES
from harness.slurm.client import Slurm
from harness.slurm.node_words import NodeRow
from harness.slurm.words import JobRow

T = 1_795_891_973.0
"""When the scenarios begin: 2026-11-28T18:52:53Z."""

AGG = "agg-0"
FRONTEND = "frontend"


def seen(name: str, at_s: float, *, rank: int | None = None, step: str = "", **where: str) -> Fact:
    """Return what no log says: how a task ended, what a probe, Slurm, etcd or a request told."""
    return known(name, at_s, rank=rank, step=step, source=Source.SLURM, **where)


def known(
    name: str,
    at_s: float,
    *,
    rank: int | None = None,
    step: str = AGG,
    source: Source = Source.LOG,
    node: str = "",
) -> Fact:
    """Return a line of a log that a row of the table knows."""
    row = SIGNATURES.rows[name]
    place = Place(step, "", node, rank, *(("err.log", int(at_s * 10)) if step else ()))
    cls = str(row.verdict_class)
    return Fact(T + at_s, source, row.layer, row.weight, f"says {name}", place, name, cls)


def unknown(
    words: str, at_s: float, *, rank: int | None = None, step: str = AGG, form: Form = Form.ERROR
) -> Fact:
    """Return an error line of unknown meaning."""
    place = Place(step, "", "", rank, "err.log", int(at_s * 10))
    return Fact(T + at_s, Source.LOG, Layer.ENGINE, Weight.DOUBT, words, place, form.value)


def raised(words: str, at_s: float, *, rank: int | None = None, step: str = AGG) -> Fact:
    """Return the last line of a traceback."""
    return unknown(words, at_s, rank=rank, step=step, form=Form.EXCEPTION)


class ToldSlurm(Slurm):
    """Says of the job and its nodes what it was told to."""

    def __init__(self) -> None:
        super().__init__("7", {})
        self.said_job: JobRow | None = None
        self.said_nodes: list[NodeRow] = []

    def job(self) -> JobRow | None:
        """Return what was told of the job."""
        return self.said_job

    def nodes_briefly(self, names: Sequence[str]) -> list[NodeRow]:
        """Return what was told of nodes that are asked for."""
        return [row for row in self.said_nodes if row.name in names]
