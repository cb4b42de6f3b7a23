"""The same deployment, made and stopped many times on the same nodes: nothing adds up."""

from __future__ import annotations

import pytest

from fixtures.cycles import Cycles
from harness.cycles import drift


@pytest.mark.lifecycle("cycles")
class CyclePromises:
    """What holds of each cycle, and of all of them together (``--cycles N``)."""

    def test_cycle_stops_in_order_and_leaves_nothing(self, cycles: Cycles, cycle: int) -> None:
        """A cycle is as orderly as the first, and leaves as little (seed, "Known Issues")."""
        shutdown = cycles.shutdown(cycle)
        reports = (*shutdown.workers, shutdown.services)

        assert [str(report) for report in reports if not report.orderly] == []
        shutdown.check_nothing_left()

    def test_nothing_drifts_over_the_cycles(self, cycles: Cycles) -> None:
        """Load and stop times, memory, shared memory and GPU memory are those of the beginning."""
        assert len(cycles.done) > 1
        assert drift(cycles.done, nodes=cycles.nodes) == []
