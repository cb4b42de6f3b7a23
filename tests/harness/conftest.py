"""How the suite's own tests share a machine: those that break worlds apart from all others.

A broken world mostly waits, for a budget or for Slurm; meanwhile the others have the processor.
With ``pytest -n 4 --dist loadgroup`` each group gets a process: those that need no cluster, those
of engine, servers and testbed, the worlds whose pytest is killed, and the other worlds. xdist
begins with the largest groups, so the faults, of which ``make test`` has the few quick ones, come
to the process that is done first. Without ``-n`` the marks mean nothing.
"""

from __future__ import annotations

import pytest

from harness.settings import PROJECT_ROOT

HARNESS = PROJECT_ROOT / "tests" / "harness"
ALONE = frozenset({"pure", "report", "setup"})
"""Folders whose tests need no cluster."""


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in its own hook of this name
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put every test into one of the groups."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))


def _group(item: pytest.Item) -> str:
    folder = item.path.relative_to(HARNESS).parts[0]
    if folder == "broken":
        return "killed" if item.path.stem == "test_killed_pytest" else "worlds"
    if item.get_closest_marker("faults"):
        return "faults"
    return "alone" if folder in ALONE else "others"
