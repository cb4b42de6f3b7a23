"""Every fault of the library is told by class, cause and place, and in time."""

from __future__ import annotations

import pytest

from testbed.faults.fault import Fault
from testbed.faults.table import faults
from tests.harness.faults.known_misses import KNOWN_MISSES
from tests.harness.faults.outcome import missed
from tests.harness.faults.results import forget_row, write_row
from tests.harness.faults.world import FaultWorld

pytestmark = [pytest.mark.testbed, pytest.mark.slow, pytest.mark.faults]


class Missed(AssertionError):
    """The run told the fault otherwise than it must."""


def _parameter(fault: Fault) -> object:
    """Return a parameter; of a known miss, one that is expected to fail for this reason alone."""
    reason = KNOWN_MISSES.get(fault.name)
    marks = [pytest.mark.xfail(strict=True, raises=Missed, reason=reason)] if reason else []
    quick = [pytest.mark.quick_faults] if fault.quick else []
    return pytest.param(fault, id=fault.name, marks=[*marks, *quick])


@pytest.mark.parametrize("fault", [_parameter(fault) for fault in faults().values()])
def test_fault_is_told(fault_world: FaultWorld, fault: Fault) -> None:
    """The library's file of the fault has what must be said."""
    forget_row(fault)
    outcome = fault_world.show(fault)
    wrong = missed(outcome, fault.said)
    write_row(fault, outcome, wrong)

    # A fault that nobody sees any more is no known miss: those are about words, class and time.
    assert outcome.verdict != "PASS" or "PASS" in fault.said.verdict, "not noticed at all"
    if wrong:
        raise Missed(f"{'; '.join(wrong)}. It said: {outcome.cause[:1500]}")
