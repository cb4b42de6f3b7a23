"""The names under which allure-pytest files a test, made from the plan of a run.

As allure-pytest 2.16.2 gives them (its listener.py and utils.py): with the same names a test that
has no result of its own sits in the report where its result would have been, in every run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from harness.planned import PlannedTest

NO_TAGS = {"usefixtures", "filterwarnings", "skip", "skipif", "xfail", "parametrize"}
"""Marks that allure-pytest makes no tag of."""


def key_of(result: Mapping[str, Any]) -> tuple[str, str]:
    """Return what tells the results of one run apart: full name, and name with parameters."""
    return str(result.get("fullName")), str(result.get("name"))


def identity(test: PlannedTest) -> dict[str, Any]:
    """Return the fields of a result that say which test it is, and of what."""
    path, *classes, name = test.id.split("::")
    package = path.removesuffix(".py").replace("/", ".")
    full_name, _ = test.allure_name
    values = [value for _, value in sorted(test.parameters.items())]
    return {
        "name": name,
        "fullName": full_name,
        "historyId": _md5(full_name, *values),
        "testCaseId": _md5(full_name),
        "titlePath": [*path.split("/"), *classes],
        "description": test.promise,
        "parameters": [
            {"name": each, "value": _shown(value)} for each, value in test.parameters.items()
        ],
        "labels": [
            _label("parentSuite", test.topology),
            _label("suite", test.stage),
            *([_label("subSuite", " > ".join(classes))] if classes else []),
            _label("dynamo_topology", test.topology),
            _label("dynamo_stage", test.stage),
            *(_label("tag", mark) for mark in test.marks if mark not in NO_TAGS),
            _label("framework", "pytest"),
            _label("package", package),
        ],
    }


def _label(name: str, value: str) -> dict[str, str]:
    return {"name": name, "value": value}


def _md5(*values: object) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    for value in values:
        digest.update((value if isinstance(value, str) else repr(value)).encode())
    return digest.hexdigest()


def _shown(value: object) -> str:
    return f"'{value}'" if isinstance(value, str) else repr(value)
