"""Reference values of a site: what each figure of a load has been there, and how far it may stray.

They stand in ``clusters/<site>.yaml`` by topology, then by ``<figure> at <clients>``::

    references:
      agg:
        first_token_p50 at 64: {value: 0.2, unit: s, lower: 0.05, upper: 0.4}
"""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict, model_validator

from harness.figures import FIGURES
from harness.topology_names import TOPOLOGY_NAMES

_NAME = re.compile(r"(?P<figure>\w+) at (?P<clients>\d+)")


class Reference(BaseModel):
    """One value with its unit and its bounds, in that unit; outside of them is a failure."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: float
    unit: str
    lower: float
    upper: float

    @model_validator(mode="after")
    def _ordered(self) -> Reference:
        if not self.lower <= self.value <= self.upper:
            raise ValueError(
                f"expected lower <= value <= upper, seen {self.lower}, {self.value}, {self.upper}"
            )
        return self


References = dict[str, dict[str, Reference]]
"""By topology, then by ``<figure> at <clients>``."""


def check_names(references: References) -> References:
    """Return the references; raises ``ValueError`` for what is never measured, or nowhere."""
    for topology, by_name in references.items():
        if topology not in TOPOLOGY_NAMES:
            known = ", ".join(TOPOLOGY_NAMES)
            raise ValueError(f"no topology is called {topology!r}; known: {known}")
        for name, reference in by_name.items():
            match = _NAME.fullmatch(name)
            unit = FIGURES.get(match["figure"]) if match else None
            if unit is None:
                known = ", ".join(FIGURES)
                raise ValueError(
                    f"{topology}: expected `<figure> at <clients>`, seen {name!r}; figures: {known}"
                )
            if reference.unit != unit:
                raise ValueError(f"{topology}: {name} is in {unit}, not in {reference.unit}")
    return references
