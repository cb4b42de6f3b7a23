"""``junit.xml`` of a run that was killed: pytest writes the file at its end alone.

Suite, classnames and names are those of pytest's own file (family xunit2), so that who follows a
test by them takes it for the same one. A failure has its class as ``type``; a test that was
interrupted is an error; one that did not or never ran is skipped, with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from xml.etree import ElementTree as ET

from harness.judge_run import TestState
from harness.qualification.rows import ResultRow, rows_of
from harness.qualification.saved import SavedRun
from harness.rundir import JUNIT_FILE, RunDirectory
from harness.verdict_file import headline

NEVER_RAN = "never ran: the run ended before it"
TAGS = {
    TestState.FAILED: "failure",
    TestState.INTERRUPTED: "error",
    TestState.NOT_RUN: "skipped",
    TestState.SKIPPED: "skipped",
    TestState.NEVER_RAN: "skipped",
}
"""The element that tells of each end, as :func:`_told` words it; one that passed has none."""

_NO_XML = re.compile("[^\t\n\r\x20-\x7e\x80-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

Clean = Callable[[str], str]


def write_junit(saved: SavedRun) -> None:
    """Write ``junit.xml`` where there is none; one that is no XML is kept as ``.damaged``.

    A run without results gets none: there would be no test in it.
    """
    directory = RunDirectory(saved.path, saved.run_id)
    if not saved.has_results or _is_xml(directory):
        return
    if directory.junit.exists():
        directory.junit.replace(directory.junit.with_name(f"{JUNIT_FILE}.damaged"))
    directory.write_text(
        JUNIT_FILE, junit_xml(saved, rows_of(saved), clean=directory.redactor.text)
    )


def junit_xml(saved: SavedRun, rows: Sequence[ResultRow], *, clean: Clean) -> str:
    """Return the file's content; ``clean`` takes secrets out of a text, before it becomes XML."""
    tags = [TAGS.get(row.outcome) for row in rows]
    suites = ET.Element("testsuites", name="pytest tests")
    suite = ET.SubElement(
        suites,
        "testsuite",
        name="pytest",
        errors=str(tags.count("error")),
        failures=str(tags.count("failure")),
        skipped=str(tags.count("skipped")),
        tests=str(len(rows)),
        time=f"{saved.judged.seconds:.3f}",
    )
    if saved.judged.first_at:  # else there is no journal
        began = datetime.fromtimestamp(saved.judged.first_at, tz=timezone.utc)
        suite.set("timestamp", began.isoformat())
    suite.extend(_case(row, clean=clean) for row in rows)
    return ET.tostring(suites, encoding="unicode", xml_declaration=True)


def _case(row: ResultRow, *, clean: Clean) -> ET.Element:
    classname, name = address_of(row.id)
    place = {"classname": _sayable(classname), "name": _sayable(name)}
    case = ET.Element("testcase", {**place, "time": f"{row.seconds:.3f}"})
    if row.outcome in TAGS:
        kind, message, text = (_sayable(clean(each)) for each in _told(row))
        ET.SubElement(case, TAGS[row.outcome], type=kind, message=message).text = text
    return case


def _told(row: ResultRow) -> tuple[str, str, str]:
    """Return type, message and text of what is told of a test that did not pass."""
    if row.outcome is TestState.NEVER_RAN:
        return "pytest.skip", NEVER_RAN, NEVER_RAN
    if row.outcome is TestState.NOT_RUN:
        return "pytest.skip", f"not run: {headline(row.message)}", f"not run: {row.message}"
    if row.outcome is TestState.SKIPPED:
        return "pytest.skip", headline(row.message), row.message
    return row.verdict_class, f"[{row.verdict_class}] {headline(row.message)}", row.message


def address_of(test: str) -> tuple[str, str]:
    """Return classname and name of a test id, as pytest's file has them.

    ``tests/agg/test_a.py::TestB::test_c[d]`` is ``tests.agg.test_a.TestB`` and ``test_c[d]``.
    """
    path, bracket, parameters = test.partition("[")
    file, *names = path.split("::")
    parts = [file.replace("/", ".").removesuffix(".py"), *names]
    return ".".join(parts[:-1]), f"{parts[-1]}{bracket}{parameters}"


def _sayable(text: str) -> str:
    """Return a text whose characters XML all knows, as pytest words the others: ``#x1B``."""
    return _NO_XML.sub(lambda found: f"#x{ord(found[0]):02X}", text)


def _is_xml(directory: RunDirectory) -> bool:
    try:
        ET.fromstring(directory.junit.read_bytes())  # noqa: S314 - pytest wrote it, or nobody did
    except (FileNotFoundError, ET.ParseError):
        return False
    return True
