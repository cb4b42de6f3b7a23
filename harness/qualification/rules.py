"""The rules of the gate, one function each. What a rule cannot learn from the files is a no."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import VerdictClass
from harness.judge_run import TestState
from harness.qualification.known import KnownIssues
from harness.qualification.rows import FAILING, ResultRow
from harness.qualification.saved import SavedRun
from harness.qualification.selection import SELECTION_FILE
from harness.qualification.skips import accepted
from harness.qualification.words import shortened
from harness.verdict import SEVERITY
from harness.verdict_file import NONE_SEEN, emulated_by

KINDS = ("agg", "disagg")
"""Marks of the two kinds of promises that a release needs; each has its folder below ``tests``."""

_CLASS = re.compile(r"\[([A-Z]+)\]")


@dataclass(frozen=True)
class Rule:
    """One rule: what it asks, the answer, its class where that is no, and why."""

    name: str
    holds: bool
    why: tuple[str, ...]
    verdict_class: VerdictClass = VerdictClass.INVALID

    def lines(self) -> list[str]:
        """Return the rule in lines, the first with its answer."""
        first, *others = self.why or ("",)
        answer = "yes" if self.holds else "no "
        return [f"{answer} {self.name}: {first}", *(f"      {each}" for each in others)]

    def as_json(self) -> dict[str, Any]:
        """Return the rule as ``gate.json`` has it; the class is null where the answer is yes."""
        given = None if self.holds else str(self.verdict_class)
        return {"name": self.name, "holds": self.holds, "class": given, "why": list(self.why)}


def files(saved: SavedRun) -> Rule:
    """Ask whether the files are of one run, whole, and tell the same."""
    wrong = list(saved.problems)
    if not saved.has_results:
        wrong.append(f"no results of any test in {saved.path}")
    return _rule("files of one run", wrong, "they can be read and tell the same")


def finished(saved: SavedRun) -> Rule:
    """Ask whether the run came to its end, and every test to its own."""
    verdict, wrong = saved.verdict, []
    if verdict.get("interrupted"):
        wrong.append(f"interrupted in {verdict['interrupted']}")
    if verdict.get("finished") is not True:
        wrong.append("the run ended before its end")
    return _rule("finished", wrong, "every planned test came to its end")


def engine_seen(saved: SavedRun) -> Rule:
    """Ask whether an engine has told its version."""
    engine = saved.facts.get("engine", "") or NONE_SEEN
    unseen = NONE_SEEN in (engine, saved.verdict.get("engine") or NONE_SEEN)
    wrong = ["no engine told its version: it is not known what was tested"] if unseen else []
    return _rule("engine seen", wrong, engine)


def engine_real(saved: SavedRun) -> Rule:
    """Ask whether engine and GPUs are real; the verdict and the facts both have to say so."""
    told = {saved.verdict.get("emulated"), emulated_by(saved.facts)}
    seen = f"{saved.facts.get('engine') or NONE_SEEN} on {saved.facts.get('gpus') or NONE_SEEN}"
    if True in told:
        return _rule("engine real", [f"emulated: {seen}"], "")
    unknown = [f"not known to be real: {seen}"] if told != {False} else []
    return _rule("engine real", unknown, seen)


def known_issues(known: KnownIssues) -> Rule:
    """Ask whether the file of known issues is right, and none of them is over."""
    wrong = [known.fault] if known.fault else []
    wrong += [
        f"{each.where}: expired on {each.expires}: {each.about} ({each.link}, {each.owner}); mend "
        "it, or give it a new date"
        for each in known.expired
    ]
    held = f"{len(known.by_test)} tests fit one, {len(known.stale)} stale"
    return _rule("known issues", wrong, held, verdict_class=VerdictClass.CONFIG)


def failures(saved: SavedRun, rows: Sequence[ResultRow], known: KnownIssues) -> Rule:
    """Ask whether no test failed, but for known issues, and the run itself met no error."""
    failing = [row for row in rows if row.outcome in FAILING and row.id not in known.by_test]
    classes = [_class(row.verdict_class) for row in failing]
    wrong = [f"{row.verdict_class} {row.id}: {shortened(row.reason)}" for row in failing]
    error = str(saved.verdict.get("error") or "")
    if error:
        found = _CLASS.search(error)
        classes.append(_class(found.group(1) if found else str(saved.verdict.get("verdict"))))
        wrong.append(error.splitlines()[0])
    if not wrong and (word := _unexplained(saved, rows)):
        classes.append(_class(word))
        wrong.append(f"the run's own verdict is {word}")
    worst = next((each for each in SEVERITY if each in classes), VerdictClass.INVALID)
    waived = sum(row.outcome in FAILING for row in rows) - len(failing)
    return _rule(
        "no failure", wrong, f"none but {waived} known" if waived else "none", verdict_class=worst
    )


def _unexplained(saved: SavedRun, rows: Sequence[ResultRow]) -> str:
    """Return the run's verdict where it is not PASS, and no test is the reason."""
    given = str(saved.verdict.get("verdict"))
    told = any(row.outcome not in {TestState.PASSED, TestState.SKIPPED} for row in rows)
    return "" if given == VerdictClass.PASS or told or not rows else given


def _class(word: str) -> VerdictClass:
    try:
        given = VerdictClass(word)
    except ValueError:
        return VerdictClass.HARNESS
    return VerdictClass.INVALID if given is VerdictClass.PASS else given


def asked(saved: SavedRun, rows: Sequence[ResultRow], kinds: Sequence[str]) -> Rule:
    """Ask whether all promises of the kinds that a release needs were planned."""
    wrong = [f"no test of {kind} was planned" for kind in kinds if not _any_of(rows, kind)]
    if saved.selection is None:
        wrong.append(f"{SELECTION_FILE} is missing or damaged: nobody can tell what was left out")
        return _rule("promises asked", wrong, "")
    wrong += [
        f"not all of tests/{kind} was collected (from: {', '.join(saved.selection.collected_from)}"
        f"; ignored: {', '.join(saved.selection.ignored) or 'nothing'})"
        for kind in kinds
        if not saved.selection.covers(f"tests/{kind}")
    ]
    left = [test for test in saved.selection.needed if set(test.marks) & set(kinds)]
    count = Counter(test.topology for test in left)
    wrong += [f"left out by selection: {count[name]} tests of {name}" for name in count]
    return _rule("promises asked", wrong, f"all {len(rows)} tests of {' and '.join(kinds)}")


def _any_of(rows: Iterable[ResultRow], kind: str) -> bool:
    return any(kind in row.marks for row in rows)


def ran(rows: Sequence[ResultRow]) -> Rule:
    """Ask whether every planned test ran, and some passed."""
    missing = [row for row in rows if row.outcome in {TestState.NOT_RUN, TestState.NEVER_RAN}]
    causes = Counter((row.outcome, row.reason) for row in missing)
    wrong = [
        f"{tests} {outcome}{': ' if reason else ''}{shortened(reason)}"
        for (outcome, reason), tests in causes.items()
    ]
    passed = sum(row.outcome is TestState.PASSED for row in rows)
    if not passed:
        wrong.append("no test passed")
    return _rule("promises ran", wrong, f"{passed} of {len(rows)} passed")


def skips(rows: Sequence[ResultRow], known: KnownIssues) -> Rule:
    """Ask whether each skip has a reason with which a release may do, or is known."""
    skipped = [row for row in rows if row.outcome is TestState.SKIPPED]
    wrong = [
        f"skipped {row.id}: {row.reason}"
        for row in skipped
        if not accepted(row.reason) and row.id not in known.by_test
    ]
    return _rule("skips accepted", wrong, f"{len(skipped)} skipped, each for an accepted reason")


def warnings(saved: SavedRun, commit: str) -> Iterator[str]:
    """Yield what a person has to weigh: files of the suite that no commit has, another commit."""
    run = saved.facts.get("suite_commit", "") or "unknown"
    if run == "unknown":
        yield "the commit of the suite is not known"
    if run.endswith("-dirty"):
        yield f"the suite of the run was no commit's: {run}"
    elif commit and commit != run:
        yield f"the run is of commit {run}, this checkout is {commit}"


def _rule(
    name: str,
    wrong: Sequence[str],
    right: str,
    *,
    verdict_class: VerdictClass = VerdictClass.INVALID,
) -> Rule:
    return Rule(name, not wrong, tuple(wrong) or (right,), verdict_class)
