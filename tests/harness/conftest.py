"""How the suite's own tests share a machine: those that break worlds apart from all others.

A broken world mostly waits, for a budget or for Slurm; meanwhile the others have the processor.
With ``pytest -n 2 --dist loadgroup`` each kind gets a process; without ``-n`` the marks mean
nothing.
"""

from __future__ import annotations

import pytest

from harness.settings import PROJECT_ROOT

WORLDS = PROJECT_ROOT / "tests" / "harness" / "broken"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put every test into one of the two groups."""
    for item in items:
        group = "worlds" if WORLDS in item.path.parents else "others"
        item.add_marker(pytest.mark.xdist_group(group))
