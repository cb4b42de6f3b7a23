"""The summary of a run in Markdown, for the page of a CI job: what a reader asks, in that order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from harness.errors import VerdictClass
from harness.judge_run import TestState
from harness.qualification.comparison import Comparison, folded_changes
from harness.qualification.deltas import shown
from harness.qualification.earlier import Since
from harness.qualification.markdown import cell, folded, section, table
from harness.qualification.matrix import Matrix, PromiseLine
from harness.qualification.rerun import rerun_command
from harness.qualification.rows import FAILING, ResultRow, reasons
from harness.qualification.saved import SavedRun
from harness.qualification.written import Decided
from harness.verdict import verdict_line
from harness.verdict_file import counts_of

FAILURES_SHOWN = 25
"""A page with more failures is read by nobody; results.csv has all."""

FACTS_SHOWN = (
    "engine", "gpus", "driver", "image", "dynamo_release", "model", "nodes", "job", "suite_commit",
    "command",
)  # fmt: skip


def summary(decided: Decided, since: Sequence[Since] = ()) -> str:
    """Return the page of a run; ``since`` says what changed since earlier ones."""
    known = [row for row in decided.rows if row.id in decided.known.by_test]
    failing = [row for row in decided.rows if row.outcome in FAILING and row not in known]
    lines = [
        *_head(decided),
        *section("Gate", _gate(decided)),
        *section("What was tested", _facts(decided)),
        *section("Failures", _failures(failing, decided.saved)),
        *section("Known issues", _known(decided)),
        *(line for each in since for line in section(each.title, _since(each.comparison))),
        *section("Not run", _by_reason(decided.rows, TestState.NOT_RUN, TestState.NEVER_RAN)),
        *section("Skipped, so not proved", _by_reason(decided.rows, TestState.SKIPPED)),
        *section("Key figures", _figures(decided)),
        *section("Promises by topology", _matrix(decided.matrix)),
    ]
    return "\n".join(lines) + "\n"


def _head(decided: Decided) -> Iterator[str]:
    verdict = decided.saved.verdict
    try:
        given = VerdictClass(str(verdict.get("verdict")))
    except ValueError:
        given = VerdictClass.INVALID
    line = verdict_line(
        given,
        counts_of(verdict),
        emulated=verdict.get("emulated"),
        seconds=float(verdict.get("seconds") or 0.0),
    )
    yield f"## {cell(line)}"
    yield ""
    yield f"**{cell(decided.gate.last_line)}**"
    yield ""
    yield f"Run `{cell(decided.saved.run_id)}`"
    if verdict.get("error"):
        yield from ("", f"Stopped by: {cell(verdict['error'])}")
    if verdict.get("interrupted"):
        yield from ("", f"Interrupted in `{cell(verdict['interrupted'])}`")
    if verdict.get("finished") is not True:
        yield from ("", "The run ended before its end.")


def _gate(decided: Decided) -> Iterator[str]:
    yield from table(
        ("rule", "holds", "why"),
        ((rule.name, "yes" if rule.holds else "**no**", _first(rule.why))
         for rule in decided.gate.rules),
    )  # fmt: skip
    if decided.gate.warnings:
        yield ""
    yield from (f"- warning: {cell(each)}" for each in decided.gate.warnings)


def _first(lines: tuple[str, ...]) -> str:
    return lines[0] if len(lines) == 1 else f"{lines[0]} (and {len(lines) - 1} more)"


def _facts(decided: Decided) -> Iterator[str]:
    facts = decided.saved.facts
    configs = [name for name in facts if name.startswith("engine_config_")]
    told = [(name, facts[name]) for name in (*FACTS_SHOWN, *configs) if facts.get(name)]
    return table(("fact", "value"), told) if told else iter(())


def _failures(failing: list[ResultRow], saved: SavedRun) -> Iterator[str]:
    command = saved.facts.get("command", "")
    for row in failing[:FAILURES_SHOWN]:
        cause = f" ({row.cause_id})" if row.cause_id else ""
        yield f"- **{row.verdict_class}** `{cell(row.id)}` on {cell(row.topology)}"
        yield f"  - first cause{cause}: {cell(row.reason, most=600)}"
        if command:
            again = rerun_command(command, row, saved.environment)
            yield from ("", "    ```bash", f"    {again}", "    ```", "")
    if len(failing) > FAILURES_SHOWN:
        yield f"- and {len(failing) - FAILURES_SHOWN} more: results.csv"


def _known(decided: Decided) -> Iterator[str]:
    known = [
        (each.test, each.about, each.link, each.owner, each.expires) for each in decided.gate.known
    ]
    if known:
        yield from table(("test", "what", "link", "owner", "until"), known)
    if known and decided.gate.stale:
        yield ""
    yield from (f"- stale: {cell(each)}" for each in decided.gate.stale)


def _since(comparison: Comparison) -> Iterator[str]:
    yield f"**{cell(comparison.last_line)}**, against `{cell(comparison.before)}`"
    yield ""
    for name, (old, new) in comparison.facts.items():
        yield f"- {cell(name)}: {cell(old or '-')} → {cell(new or '-')}"
    for name, tests in comparison.parts.items():
        lines = list(folded_changes(tests))
        yield from (f"- {name}: {cell(line, most=600)}" for line in lines[:FAILURES_SHOWN])
        if len(lines) > FAILURES_SHOWN:
            yield f"- {name}: and {len(lines) - FAILURES_SHOWN} more"
    figures = [str(each) for each in shown(comparison.figures)]
    yield from folded(f"{len(figures)} figures changed", (f"- {cell(each)}" for each in figures))


def _by_reason(rows: Iterable[ResultRow], *states: TestState) -> Iterator[str]:
    yield from (f"- {each.tests} {each.state}: {cell(each.why)}" for each in reasons(rows, *states))


def _figures(decided: Decided) -> Iterator[str]:
    measures = decided.saved.measures
    key = [each for each in measures if not (each.detail and each.within_limit)]
    rows = [(each.where, each.name, each.figure) for each in key]
    return folded(f"{len(rows)} figures", table(("where", "what", "figure"), rows))


def _matrix(matrix: Matrix) -> Iterator[str]:
    if not matrix.lines:
        return
    open_ = [line for line in matrix.lines if not line.kept]
    head = ("group", "promise", *matrix.topologies)
    if open_:
        yield from table((*head, "why"), ((*_cells(line, matrix), line.why) for line in open_))
    else:
        yield "Every promise that was asked was kept."
    left_out = sum(not line.selected for line in matrix.lines)
    if left_out:
        yield from ("", f"{left_out} promises were left out by selection on some topology.")
    rows = [_cells(line, matrix) for line in matrix.lines]
    yield from folded(f"all {len(rows)} promises", table(head, rows))


def _cells(line: PromiseLine, matrix: Matrix) -> tuple[str, ...]:
    states = (line.cells.get(name, "") for name in matrix.topologies)
    return (line.group, line.promise or line.name, *map(str, states))
