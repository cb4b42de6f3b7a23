"""The command that runs one test of a run again, from the command of the run. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

from harness.qualification.rows import ResultRow
from harness.topology_names import TOPOLOGY_NAMES

DROPPED = ("-k", "--run-dir", "--junitxml", "--junit-xml", "--alluredir")
"""Options of the run, each with a value, that a rerun must not share with it."""

_WORD = re.compile(r"[\w:+\-.\[\]/\\]+")
"""What ``-k`` takes for one word."""


def rerun_command(command: str, row: ResultRow, environment: Mapping[str, str]) -> str:
    """Return the shell command that asks one test again, and what it depends on.

    ``environment`` are the settings that the run had from variables. A parameter that ``-k`` cannot
    say is left out: then all variants of the test run.
    """
    variables = [f"{name}={shlex.quote(value)}" for name, value in environment.items()]
    again = shlex.join([*_kept(shlex.split(command)), "-k", selection_of(row)])
    return " ".join([*variables, again])


def selection_of(row: ResultRow) -> str:
    """Return the expression of ``-k`` for a test."""
    *classes, test = row.id.partition("::")[2].split("::", row.name.count("::"))
    if not _WORD.fullmatch(test):
        test = row.name.rpartition("::")[2]
    return " and ".join([*classes, test, *_on(row.topology)])


def _on(topology: str) -> list[str]:
    """Say the topology so that none with a longer name is meant too: ``-k`` looks for parts."""
    if topology not in TOPOLOGY_NAMES:
        return []
    longer = [name for name in TOPOLOGY_NAMES if topology in name and name != topology]
    needed = [name for name in longer if not any(o in name and o != name for o in longer)]
    return [topology, *(f"not {name}" for name in needed)]


def _kept(words: Sequence[str]) -> list[str]:
    kept: list[str] = []
    value_of_dropped = False
    for word in words:
        if value_of_dropped:
            value_of_dropped = False
        elif word in DROPPED:
            value_of_dropped = True
        elif not word.startswith(tuple(f"{name}=" for name in DROPPED)):
            kept.append(word)
    return kept
