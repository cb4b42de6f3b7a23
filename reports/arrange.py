"""How results are filed in the report: by topology, promise group and promise; the timeline's rows.

allure-pytest files a test by its function. A reader looks for a promise: so a result is called by
the sentence of its test, below the group of promises that its file and class are about. History
and retries go by Allure's ``historyId``, which stays as it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from harness.qualification.waivers import Waiver

Result = dict[str, Any]

AGAIN = "again"
PREFLIGHT = "preflight"
TEST_LABEL = "dynamo_test"
"""Label of a result: the id that pytest knows its test by."""

OWN = frozenset({"parentSuite", "suite", "subSuite", "thread"})
"""Labels that are set here."""

NOISE = frozenset({"framework", "language", "package", "tag"})
"""Labels that say of every test what the run says once, or its id: they make the page large."""

_SENTENCE = re.compile(r"^(.+?[.!?])(?:\s+(?=[A-Z`])|$)", re.DOTALL)
_PARAMETERS = re.compile(r"\[(.*)\]$", re.DOTALL)


def arranged(result: Mapping[str, Any]) -> Result:
    """Return a result as the report files it; one without a topology stays as it is."""
    labels = {label["name"]: label["value"] for label in result.get("labels", ())}
    topology = labels.get("dynamo_topology")
    if not topology:
        return dict(result)
    kept = [label for label in result["labels"] if label["name"] not in OWN | NOISE]
    group, part = group_of(str(result.get("fullName", "")))
    filed = {
        "parentSuite": topology,
        "suite": group,
        "subSuite": part,
        "thread": deployment_of(labels),
    }
    made = [{"name": name, "value": value} for name, value in filed.items() if value]
    return {**result, "name": title(result), "labels": [*kept, *made]}


def named(result: Result, test: str) -> Result:
    """Return a result with pytest's id of its test as a label; as it is where nobody knows it."""
    if not test:
        return result
    label = {"name": TEST_LABEL, "value": test}
    return {**result, "labels": [*result.get("labels", ()), label]}


def claimed(result: Result, known: Waiver | None) -> Result:
    """Return a result with the link of the known issue that fits it; Allure calls it accepted."""
    if known is None:
        return result
    words = f"known issue: {known.owner}, until {known.expires.isoformat()}"
    link = {"type": "issue", "name": words, "url": known.link}
    details = {**result.get("statusDetails", {}), "known": True}
    return {**result, "links": [*result.get("links", ()), link], "statusDetails": details}


def title(result: Mapping[str, Any]) -> str:
    """Return the promise's first sentence with the parameters, or the test's name without one."""
    name = str(result.get("name", ""))
    promise = " ".join(str(result.get("description") or "").split())
    found = _SENTENCE.match(promise)
    if not promise:
        return name
    sentence = (found[1] if found else promise).rstrip(".")
    parameters = _PARAMETERS.search(name)
    return f"{sentence} [{parameters[1]}]" if parameters else sentence


def group_of(full_name: str) -> tuple[str, str]:
    """Return the group of promises, and its part, of ``tests.agg.test_kv_cache.TestIdle#test_x``.

    That is ``("kv cache", "idle")``; a test outside of a class has no part, and
    neither has one whose class says the same as the file.
    """
    path = full_name.partition("#")[0].split(".")
    files = [index for index, word in enumerate(path) if word.startswith("test_")]
    if not files:
        return path[-1], ""
    group = path[files[-1]].removeprefix("test_").replace("_", " ")
    classes = [word.removeprefix("Test") for word in path[files[-1] + 1 :]]
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", " ".join(classes)).lower()
    return group, "" if words == group else words


def deployment_of(labels: Mapping[str, str]) -> str:
    """Return the deployment that a test was about: its row in the timeline."""
    stage, topology = labels.get("dynamo_stage", ""), labels["dynamo_topology"]
    if stage == PREFLIGHT:
        return PREFLIGHT
    return f"{topology}-again" if stage == AGAIN else topology


def first_tests(results: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return for each deployment the uuid of the test that ran first on it."""
    first: dict[str, tuple[float, str]] = {}
    for result in results:
        rows = [label["value"] for label in result.get("labels", ()) if label["name"] == "thread"]
        at = float(result.get("start", 0))
        if rows and (rows[0] not in first or at < first[rows[0]][0]):
            first[rows[0]] = (at, str(result.get("uuid")))
    return {deployment: uuid for deployment, (_, uuid) in first.items()}
