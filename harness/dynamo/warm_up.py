"""The first answer of each pair of workers, measured apart: connections are made only then.

Of a disaggregated deployment a pair is a prefill and a decode worker; an aggregated worker is one
by itself. The first requests of a pair may take many times as long as all later ones (NVIDIA's
guide to disaggregated serving), and are no part of any latency under load.
"""

from __future__ import annotations

from harness.measures import Measures
from harness.serving.record import Record
from harness.serving.workers import WorkerIds, worker_ids


class WarmUp:
    """Takes the answers of canaries, and keeps a figure for the first of each pair."""

    def __init__(self, measures: Measures, *, where: str) -> None:
        self._measures = measures
        self._where = where
        self._met: set[WorkerIds] = set()

    def note(self, record: Record) -> Record:
        """Keep the figure of an answer if its pair has not answered before; return the record."""
        pair = worker_ids(record)
        if record.status == 200 and pair not in self._met:
            self._met.add(pair)
            name = f"first answer of worker pair {len(self._met)}"
            self._measures.add(
                name, record.elapsed_s, "s", where=self._where, note=f"warm-up{_named(pair)}"
            )
        return record


def _named(pair: WorkerIds) -> str:
    if pair.decode is None:
        return ""
    if pair.prefill in {None, pair.decode}:
        return f"; worker {pair.decode}"
    return f"; prefill {pair.prefill}, decode {pair.decode}"
