"""The Markdown page of a run: what it says, and what it must not let through."""

from __future__ import annotations

import json
from pathlib import Path

from harness.qualification.comparison import compare
from harness.qualification.earlier import SINCE_LAST, Since
from harness.qualification.markdown import cell
from harness.qualification.saved import saved_run
from harness.qualification.summary import FAILURES_SHOWN, summary
from harness.qualification.written import decide
from tests.harness.pure.qualification.kit import (
    AGG,
    DISAGG,
    TODAY,
    Run,
    T,
    ended,
    known_issue,
    measure,
)

HANG = "Hang [FAIL]: no answer for 9 s\nlayer: serving\ncause id: cause-3"


def page(folder: Path, run: Run, *, known: str = "[]", before: Run | None = None) -> str:
    issues = folder / "known.yaml"
    issues.write_text(known, encoding="utf-8")
    saved = saved_run(run.write(folder / "run"))
    decided = decide(saved, known_issues=issues, today=TODAY)
    earlier = saved_run(before.write(folder / "before")) if before else None
    return summary(decided, [Since(SINCE_LAST, compare(earlier, saved))] if earlier else ())


def part(text: str, title: str) -> str:
    """Return one section of the page, empty when it has none."""
    return text.partition(f"### {title}\n")[2].partition("\n### ")[0]


def test_the_verdict_and_the_answer_of_the_gate_come_first(tmp_path: Path) -> None:
    lines = [line for line in page(tmp_path, Run()).splitlines() if line]

    assert lines[:2] == [
        "## verdict: PASS (2 passed, 0 failed, 0 not run, 12 s)",
        "**release: yes (9 rules hold)**",
    ]


def test_the_gate_names_each_rule_with_its_answer(tmp_path: Path) -> None:
    gate = part(page(tmp_path, Run(verdict={"emulated": True})), "Gate")

    assert "| finished | yes | every planned test came to its end |" in gate
    assert "| engine real | **no** | emulated: 1.3.0 on 16 x NVIDIA GB200 |" in gate


def test_a_failure_has_its_class_first_cause_and_the_command_to_repeat_it(tmp_path: Path) -> None:
    text = part(page(tmp_path, Run([ended(AGG, "FAIL", HANG), DISAGG])), "Failures")

    assert f"- **FAIL** `{AGG.id}` on agg" in text
    assert "first cause (cause-3): Hang [FAIL]: no answer for 9 s" in text
    assert (
        "pytest -m 'agg or disagg' --nodes 8 -k "
        "'TestForms and test_chat[a-stream] and agg and not agg-replicas and not disagg'"
    ) in text


def test_a_known_failure_stands_apart_with_link_and_owner(tmp_path: Path) -> None:
    run = Run([ended(AGG, "FAIL", "it says nothing"), DISAGG])
    text = page(tmp_path, run, known=known_issue())

    assert part(text, "Failures") == ""
    assert "https://issues.example.org/1 | the runtime team | 2026-12-31" in part(
        text, "Known issues"
    )


def test_what_did_not_run_is_counted_by_cause_and_what_was_skipped_by_reason(
    tmp_path: Path,
) -> None:
    other = T("tests/agg/test_a.py::test_b", "skipped", "n is not declared")
    third = T("tests/agg/test_a.py::test_c", "skipped", "n is not declared")
    tests = [ended(AGG, "not run", "agg is not there: cause-3: Hang"), DISAGG, other, third]
    text = page(tmp_path, Run(tests))

    assert "- 1 not run: agg is not there: cause-3: Hang" in part(text, "Not run")
    assert "- 2 skipped: n is not declared" in part(text, "Skipped, so not proved")


def test_the_matrix_shows_what_was_not_kept_and_why(tmp_path: Path) -> None:
    text = page(tmp_path, Run([ended(AGG, "FAIL", "no [DONE]"), DISAGG]))

    assert "| serving | A chat is answered. | failed | passed | no [DONE] |" in part(
        text, "Promises by topology"
    )


def test_the_command_has_the_settings_that_came_from_variables(tmp_path: Path) -> None:
    told = {
        "settings": {"num_nodes": 1, "image": "/a"},
        "sources": {"num_nodes": "environment variable NUM_NODES", "image": "site.yaml:3"},
    }
    run = Run([ended(AGG, "FAIL", "x")], files={"settings.json": json.dumps(told)})

    assert "    NUM_NODES=1 pytest -m" in part(page(tmp_path, run), "Failures")


def test_what_was_left_out_is_counted_and_hides_no_failure(tmp_path: Path) -> None:
    run = Run([ended(AGG, "FAIL", "no [DONE]")], left_out=[DISAGG])
    text = part(page(tmp_path, run), "Promises by topology")

    assert "| serving | A chat is answered. | failed | not selected | no [DONE] |" in text
    assert "1 promises were left out by selection on some topology." in text


def test_figures_have_units_and_limits(tmp_path: Path) -> None:
    text = page(tmp_path, Run(measures=[measure("window", 9.0, limit=15.0)]))

    assert "| agg | window | 9 s (limit 15 s) |" in part(text, "Key figures")


def test_the_comparison_names_the_regression(tmp_path: Path) -> None:
    after = Run([ended(AGG, "FAIL", "no [DONE]"), DISAGG], run_id="run-b")
    text = part(page(tmp_path, after, before=Run()), "Since the last run")

    assert "**regressed (1 regressed)**, against `run-a`" in text
    assert f"- regressed: {AGG.id} on agg: passed -&gt; failed [FAIL]: no [DONE]" in text


def test_many_failures_are_cut_with_their_number(tmp_path: Path) -> None:
    tests = [T(f"tests/agg/test_a.py::test_{n}", "FAIL", "x") for n in range(FAILURES_SHOWN + 3)]

    assert "- and 3 more: results.csv" in page(tmp_path, Run(tests))


def test_a_message_cannot_break_the_page(tmp_path: Path) -> None:
    message = "a | b <script>alert(1)</script> `c`"
    text = page(tmp_path, Run([ended(AGG, "FAIL", message), DISAGG]))

    assert "<script>" not in text
    assert cell(message) == "a \\| b &lt;script&gt;alert(1)&lt;/script&gt; 'c'"


def test_a_run_without_results_has_a_page(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    text = summary(decide(saved_run(tmp_path / "run"), today=TODAY))

    assert text.startswith("## verdict: INVALID")
    assert "Stopped by: no results" in text
