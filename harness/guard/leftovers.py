"""Pure: what runs have left in a job, from the guards' look at its nodes and Slurm's list."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from harness.compat import StrEnum
from harness.errors import InfraError
from harness.slurm.words import StepRow

RUN_ID = re.compile(r"\d{8}T\d{6}-\w+-[0-9a-f]{4}")
_STEP_NAME = re.compile(rf"qualify-(?P<run>{RUN_ID.pattern})-(?P<part>.+)")
_LAYER = re.compile(r"_l\d+_lr\d+_all$")
_LABEL = re.compile(r"^\s*\d+: ?")

GUARDS = ("guard", "clean-guard", "look-guard", "orphans-guard")
"""What the names of the steps that clean end in, after the run id."""


class Kind(StrEnum):
    """What was left."""

    STEP = "step"
    PROCESS = "process"
    FILE = "file"


@dataclass(frozen=True)
class Leftover:
    """One thing of a run: the id of a step, a pid or the name of a file, and where it is."""

    run_id: str
    kind: Kind
    node: str
    name: str
    words: str = ""


@dataclass(frozen=True)
class Look:
    """What was seen: things of runs, the owners that live, and the runs that have guards."""

    leftovers: tuple[Leftover, ...]
    owners: frozenset[str] = field(default_factory=frozenset)
    guarded: frozenset[str] = field(default_factory=frozenset)

    def of(self, run_id: str) -> tuple[Leftover, ...]:
        """Return what one run has."""
        return tuple(each for each in self.leftovers if each.run_id == run_id)

    @property
    def runs(self) -> tuple[str, ...]:
        """The runs that have something, oldest first: ids begin with the time."""
        return tuple(sorted({each.run_id for each in self.leftovers}))


def folded(leftovers: Iterable[Leftover]) -> list[Leftover]:
    """Return leftovers with the files of one worker on one node as one: there is one a layer."""
    kept: dict[tuple[str, ...], list[Leftover]] = {}
    for each in leftovers:
        stem = _LAYER.sub("_l*_lr*_all", each.name) if each.kind is Kind.FILE else each.name
        kept.setdefault((each.run_id, each.kind, each.node, stem, each.words), []).append(each)
    return [
        same[0] if len(same) == 1 else replace(same[0], name=key[3], words=_counted(same))
        for key, same in kept.items()
    ]


def _counted(same: Sequence[Leftover]) -> str:
    return ", ".join(filter(None, [f"{len(same)} files", same[0].words]))


def read_look(text: str, rows: Sequence[StepRow], *, nodes: Collection[str]) -> Look:
    """Read what the guards printed on ``nodes``, and Slurm's list of steps.

    Raises :class:`~harness.errors.InfraError` for a node that has not said all.
    """
    lines = [json.loads(line) for line in _json_lines(text)]
    whole = {line["node"] for line in lines if line["kind"] == "end"}
    if missing := [node for node in nodes if node not in whole]:
        raise InfraError(f"{', '.join(missing)} did not say what runs have there")
    named = [(row, found) for row in rows if (found := _STEP_NAME.fullmatch(row.name))]
    return Look(
        tuple(
            [_of_step(row, found["run"]) for row, found in named if found["part"] not in GUARDS]
            + [_of_line(line) for line in lines if line["kind"] in {Kind.PROCESS, Kind.FILE}]
        ),
        frozenset(line["owner"] for line in lines if line["kind"] == "owner"),
        frozenset(found["run"] for _, found in named if found["part"] == "guard"),
    )


def _json_lines(text: str) -> Iterable[str]:
    lines = (_LABEL.sub("", line) for line in text.splitlines())
    return (line for line in lines if line.startswith("{"))


def _of_step(row: StepRow, run_id: str) -> Leftover:
    return Leftover(run_id, Kind.STEP, ",".join(row.nodes), row.step_id, row.name)


def _of_line(line: dict[str, object]) -> Leftover:
    kind, run_id, node = Kind(str(line["kind"])), str(line["run"]), str(line["node"])
    if kind is Kind.PROCESS:
        return Leftover(run_id, kind, node, str(line["pid"]), str(line["cmdline"]))
    held = "held by a process" if line["held"] else ""
    return Leftover(run_id, kind, node, str(line["name"]), held)
