"""Which commit of this suite is at work."""

from __future__ import annotations

from harness.errors import InfraError
from harness.process import run
from harness.settings import PROJECT_ROOT


def suite_commit() -> str:
    """Return the commit of this suite, ``-dirty`` where files differ from it."""
    try:
        done = run(
            ["git", "-C", str(PROJECT_ROOT), "describe", "--always", "--dirty"], timeout_s=10
        )
    except InfraError:
        return "unknown"
    return done.stdout.strip() or "unknown"
