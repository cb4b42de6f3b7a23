"""The decision as HTML, and how it gets into Allure's page."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from harness.judge_run import TestState
from harness.qualification.comparison import folded_changes
from harness.qualification.deltas import shown
from harness.qualification.rows import reasons
from harness.qualification.saved import SavedRun
from harness.qualification.words import shortened
from harness.qualification.written import WRITTEN, Decided
from harness.verdict_file import VERDICT_FILE
from reports.decision.causes import causes
from reports.decision.overview import figure, groups
from reports.decision.past import Past
from reports.decision.places import places
from reports.environment import block
from reports.facts import RunFacts

TEMPLATE = Path(__file__).parent / "template"
BESIDE = (VERDICT_FILE, "junit.xml", *WRITTEN, "summary.md", "plan.txt")
"""Files of the run directory that a reader may want next."""

SHOWN = 3
"""Reasons of a rule, and tests of a cause, that are seen at once; the others are folded."""

LINE = 170
"""Most characters of a reason; the tests have all that was said."""

DETAILS = ("preflight_",)
"""Beginnings of facts that few ask for."""

_BODY = re.compile(r"<body\b[^>]*>")


def with_decision(page: str, decided: Decided, *, about: RunFacts, past: Past) -> str:
    """Return Allure's page with the decision over it."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        moment=moment, figure=figure, shortened=lambda text: shortened(text, LINE)
    )
    content = {**_content(decided), "about": about, "past": past, "places": places(page)}
    body = environment.get_template("decision.html.j2").render(content)
    return _BODY.sub(lambda found: f"{found[0]}\n{body}", page, count=1)


def moment(at_s: float) -> str:
    """Return a time of the clock (seconds since the epoch) as a person reads it, in UTC."""
    return datetime.fromtimestamp(at_s, tz=timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def _content(decided: Decided) -> dict[str, Any]:
    saved = decided.saved
    facts = block(saved.facts) if saved.facts else {}
    found = causes(decided)
    failed = {row.id for cause in found for row in cause.tests}
    return {
        "shown": SHOWN,
        "saved": saved,
        "gate": decided.gate,
        "rules": sorted(decided.gate.rules, key=lambda rule: rule.holds),
        "not_run": list(reasons(decided.rows, TestState.NOT_RUN, TestState.NEVER_RAN)),
        "skipped": list(reasons(decided.rows, TestState.SKIPPED)),
        "facts": {k: v for k, v in facts.items() if not k.startswith(DETAILS)},
        "details": {k: v for k, v in facts.items() if k.startswith(DETAILS)},
        "causes": found,
        "besides": [each for each in decided.gate.known if each.test not in failed],
        "known": decided.known,
        "bounded": [each for each in saved.measures if each.bounded],
        "unbounded": [each for each in saved.measures if not each.bounded],
        "matrix": decided.matrix,
        "groups": groups(decided.matrix),
        "beside": _beside(saved),
        "changed_tests": folded_changes,
        "changed_figures": shown,
    }


def _beside(saved: SavedRun) -> list[str]:
    return [name for name in BESIDE if (saved.path / name).is_file()]
