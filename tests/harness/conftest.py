"""How the suite's own tests share a machine: those that break worlds apart from all others.

A broken world mostly waits, for a budget or for Slurm; meanwhile the others have the processor.
With ``pytest -n 3 --dist loadgroup`` each group gets a process: all that is not a broken world, the
worlds whose pytest is killed, and the other ones. xdist begins with the largest groups, so the
faults, of which ``make test`` has the few quick ones, come to the process that is done first.
Without ``-n`` the marks mean nothing.
"""

from __future__ import annotations

import pytest

from harness.settings import PROJECT_ROOT

WORLDS = PROJECT_ROOT / "tests" / "harness" / "broken"


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in its own hook of this name
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put every test into one of the groups."""
    for item in items:
        group = "others"
        if WORLDS in item.path.parents:
            group = "killed" if item.path.stem == "test_killed_pytest" else "worlds"
        elif item.get_closest_marker("faults"):
            group = "faults"
        item.add_marker(pytest.mark.xdist_group(group))
