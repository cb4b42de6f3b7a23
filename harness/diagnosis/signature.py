"""A signature: words of a log whose meaning is known, with the releases they hold for."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.diagnosis.facts import Layer, Weight
from harness.errors import VerdictClass


@dataclass(frozen=True)
class Signature:
    """One row of the table.

    ``pattern`` is a regular expression for one line, empty for what is known from elsewhere than a
    log; ``holds`` are the releases that were seen or read to write it. ``means`` is one sentence,
    ``isnt`` what it is usually taken for, ``advice`` the next step. ``fatal`` says that the process
    which wrote it will never serve, whether or not it ends. ``below`` says that no rank says it,
    but Slurm, Pyxis or a look at the node: on the layers that no product breaks it explains all.
    It does not count as the cause where a signature named in ``yields_to`` was seen too.
    """

    name: str
    pattern: str
    holds: str
    layer: Layer
    verdict_class: VerdictClass
    means: str
    isnt: str = ""
    advice: str = ""
    weight: Weight = Weight.BREAK
    fatal: bool = False
    below: bool = False
    yields_to: tuple[str, ...] = ()


class SignatureTable:
    """Finds the signature of a line; the first row that fits wins."""

    def __init__(self, rows: tuple[Signature, ...]) -> None:
        self.rows = {row.name: row for row in rows}
        spoken = [row for row in rows if row.pattern]
        self._any = re.compile("|".join(f"(?:{row.pattern})" for row in spoken))
        self._each = [(re.compile(row.pattern), row) for row in spoken]

    def of(self, text: str) -> Signature | None:
        """Return the row of a line, or ``None``."""
        if self._any.search(text) is None:
            return None
        return next((row for pattern, row in self._each if pattern.search(text)), None)

    def yields_to(self, name: str) -> frozenset[str]:
        """Return the rows that a row gives way to."""
        row = self.rows.get(name)
        return frozenset(row.yields_to) if row else frozenset()
