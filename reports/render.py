"""Render one run directory into one HTML file."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from harness.commit import suite_commit
from harness.qualification.saved import saved_run
from harness.qualification.waivers import KNOWN_ISSUES
from harness.qualification.written import decide
from reports.commands import run
from reports.decision.page import with_decision
from reports.decision.past import past_of
from reports.errors import ReportError
from reports.facts import facts_of
from reports.gate_tab import gate_rules
from reports.missing import PATTERN, RESULTS, complete_results, missing_results
from reports.opening import open_at_top
from reports.outside import has_policy, keep_inside, outside_addresses
from reports.prepare import prepare
from reports.toolchain import RENDERER, Toolchain, ensure_toolchain
from reports.trends import Trends

REPORT = "report.html"
GENERATE_TIMEOUT_S = 300.0


def render(
    run_dir: Path,
    say: Callable[[str], None],
    *,
    trends: Path | None = None,
    history: Path | None = None,
    known_issues: Path = KNOWN_ISSUES,
) -> Path:
    """Write ``report.html`` into ``run_dir``, whole or not at all, and return its path.

    ``trends`` is a folder that keeps what former runs came to: the page then shows trends, and the
    run becomes part of it. ``history`` is the file of ``python -m harness history``: the page says
    what changed since earlier runs. Raises :class:`ReportError` when there is nothing to render,
    the renderer cannot be had or fails, or the page would load something from outside.
    """
    run_dir = run_dir.resolve()
    _check_results(run_dir)
    tools = ensure_toolchain(say)
    with tempfile.TemporaryDirectory(prefix=".report.", dir=run_dir) as room:
        results = complete_results(run_dir, Path(room))
        decided = decide(saved_run(run_dir), known_issues=known_issues, commit=suite_commit())
        about = facts_of(run_dir)
        prepare(run_dir, results, decided.known)
        past = Trends.read(trends, Path(room), run=run_dir.name, say=say) if trends else None
        content = {
            "name": about.name,
            "variables": dict(about.variables),
            "gate": gate_rules(decided),
            "trends": str(past.draft) if past else None,
        }
        page = _generate(tools, results, content, room=Path(room))
        page = with_decision(page, decided, about=about, past=past_of(decided.saved, history))
        page = open_at_top(keep_inside(page))
        check_inside(page)
        draft = Path(room) / REPORT
        draft.write_text(page, encoding="utf-8")
        if past is not None:
            past.keep()
        return draft.replace(run_dir / REPORT)


def check_inside(page: str) -> None:
    """Raise :class:`ReportError` when opening ``page`` would ask somebody outside."""
    outside = outside_addresses(page)
    if outside or not has_policy(page):
        named = "; ".join(outside[:5]) or "its content security policy is missing"
        raise ReportError(
            f"the page is not closed to the outside: {named}",
            hint="the renderer's version may have changed: see reports/outside.py",
        )


def _check_results(run_dir: Path) -> None:
    if not run_dir.is_dir():
        raise ReportError(f"no run directory {run_dir}", hint="name one of runs/, as runs/latest")
    results = run_dir / RESULTS
    if not any(results.glob(PATTERN)) and not missing_results(run_dir):
        raise ReportError(
            f"{results} holds no test result",
            hint="a run that stopped before its first test has none",
        )


def _generate(tools: Toolchain, results: Path, content: Mapping[str, object], *, room: Path) -> str:
    """Have Allure write the page into ``room`` and return it."""
    output, facts = room / "output", room / "facts.json"
    facts.write_text(json.dumps({**content, "output": str(output)}), encoding="utf-8")
    said = run(
        [tools.node.program, RENDERER / "generate.mjs", tools.modules, results],
        cwd=room,
        env={"REPORT_FACTS": str(facts), "PATH": tools.node.search_path()},
        timeout_s=GENERATE_TIMEOUT_S,
    )
    page = output / "index.html"
    if not page.is_file():
        raise ReportError(f"Allure ended well but wrote no page; it said:\n{said.strip()[-1000:]}")
    return page.read_text(encoding="utf-8")
