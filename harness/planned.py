"""``tests.json``: the tests a run set out to do, in order, each with its place and its promise."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PLANNED_FILE = "tests.json"


@dataclass(frozen=True)
class PlannedTest:
    """One test. ``promise`` is its sentence, ``marks`` are its plain marks.

    ``parameters`` has its parameters by name; a value that JSON does not know stands as text.
    """

    id: str
    topology: str = ""
    stage: str = ""
    promise: str = ""
    marks: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def allure_name(self) -> tuple[str, str]:
        """Full name, and name with parameters, under which allure-pytest 2.16.2 files the test."""
        path, *classes, name = self.id.split("::")
        package = path.removesuffix(".py").replace("/", ".")
        return f"{'.'.join([package, *classes])}#{name.partition('[')[0]}", name


def plain(value: object) -> object:
    """Return a parameter's value as JSON can hold it."""
    return value if value is None or isinstance(value, (str, int, float)) else repr(value)


def read_planned(path: Path) -> list[PlannedTest] | None:
    """Return the planned tests, ``None`` when there is no such file or it cannot be read.

    Until 0.1 the file was a plain list of ids; such a list is read too.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return [_planned(each) for each in told]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _planned(told: Any) -> PlannedTest:
    if isinstance(told, str):
        return PlannedTest(told)
    return PlannedTest(
        str(told["id"]),
        topology=str(told.get("topology") or ""),
        stage=str(told.get("stage") or ""),
        promise=str(told.get("promise") or ""),
        marks=tuple(map(str, told.get("marks", ()))),
        parameters=dict(told.get("parameters", {})),
    )
