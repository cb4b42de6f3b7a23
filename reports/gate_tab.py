"""The rules of the gate, and the limits of figures, as Allure's tab of quality gates shows them.

Allure has a gate of its own, which knows neither topologies nor promises. What is decided is
decided by :mod:`harness.qualification.gate`; the tab repeats it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.qualification.written import Decided


def gate_rules(decided: Decided) -> list[dict[str, Any]]:
    """Return each rule with its answer and why, then each figure that has a limit or a floor."""
    return [*_rules(decided), *_limits(decided)]


def _rules(decided: Decided) -> Iterator[dict[str, Any]]:
    for rule in decided.gate.rules:
        given = "" if rule.holds else f" [{rule.verdict_class}]"
        yield _result(f"{rule.name}{given}", "; ".join(rule.why), holds=rule.holds)


def _limits(decided: Decided) -> Iterator[dict[str, Any]]:
    for each in decided.saved.measures:
        if each.bounded:
            yield _result(each.subject.rstrip(":"), each.figure, holds=each.within_limit)


def _result(rule: str, why: str, *, holds: bool) -> dict[str, Any]:
    return {"rule": rule, "success": holds, "message": why, "testResults": []}
