"""Figures of a load held against what they have been on this site."""

from __future__ import annotations

from collections.abc import Mapping

from harness.figures import FIGURES, MAIN_FIGURES
from harness.measures import Measure, Measures
from harness.references import Reference

NO_REFERENCE = "no reference"


def add_figures(
    measures: Measures,
    figures: Mapping[str, float],
    references: Mapping[str, Reference],
    *,
    where: str,
    clients: int,
) -> list[Measure]:
    """Keep each figure with its bounds, and return them; one without a reference says so."""
    kept = []
    for figure, value in figures.items():
        name = f"{figure} at {clients}"
        known = references.get(name)
        note = f"reference {known.value:g} {known.unit}" if known else NO_REFERENCE
        limit, floor = (known.upper, known.lower) if known else (None, None)
        measure = measures.add(
            name,
            value,
            FIGURES[figure],
            where=where,
            note=note,
            limit=limit,
            floor=floor,
            detail=known is None and figure not in MAIN_FIGURES,
        )
        kept.append(measure)
    return kept
