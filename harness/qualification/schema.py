"""The form of ``verdict.json``, checked when it is read, and its JSON schema in ``docs/``.

Write that file anew after a change: ``python -m harness.qualification.schema``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.errors import VerdictClass
from harness.settings import PROJECT_ROOT
from harness.verdict_file import SCHEMA_VERSION

SCHEMA_PATH = PROJECT_ROOT / "docs" / "verdict.schema.json"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CountsPart(_Part):
    """How many tests ended how."""

    passed: int = Field(ge=0)
    failed: int = Field(ge=0)
    not_run: int = Field(ge=0, description="not run because of the failure of another")
    skipped: int = Field(ge=0)
    interrupted: int = Field(ge=0)
    never_ran: int = Field(ge=0)


class FailurePart(_Part):
    """One test that failed or was interrupted."""

    verdict_class: VerdictClass = Field(alias="class")
    message: str


class VerdictFile(_Part):
    """The verdict of one run; tests are named by their ids."""

    schema_version: Literal[1]
    run_id: str
    verdict: VerdictClass
    finished: bool = Field(description="the run came to its end, and every planned test to its own")
    interrupted: str | None = Field(description="the test that ran when pytest was ended")
    counts: CountsPart
    emulated: bool | None = Field(description="null while no engine was seen")
    engine: str
    seconds: float = Field(ge=0)
    error: str | None = Field(description="what kept the run from starting or from ending")
    failures: dict[str, FailurePart]
    not_run: dict[str, str] = Field(description="each with the failure it did not run because of")
    skipped: dict[str, str] = Field(description="each with the reason")
    never_started: list[str]


def schema_text() -> str:
    """Return the JSON schema as the kept file has it."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **VerdictFile.model_json_schema(),
    }
    return json.dumps(schema, indent=2) + "\n"


def faults_of(verdict: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what in a ``verdict.json`` is not as the schema wants it, a line each."""
    if verdict.get("schema_version") != SCHEMA_VERSION:
        told = verdict.get("schema_version", "none")
        return (f"verdict.json: schema version {told}, this suite reads {SCHEMA_VERSION}",)
    try:
        VerdictFile.model_validate(verdict)
    except ValidationError as invalid:
        return tuple(
            f"verdict.json: {'.'.join(map(str, each['loc']))}: {each['msg']}"
            for each in invalid.errors()
        )
    return ()


if __name__ == "__main__":
    SCHEMA_PATH.write_text(schema_text(), encoding="utf-8")
