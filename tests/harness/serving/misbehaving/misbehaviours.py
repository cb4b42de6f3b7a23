"""All misbehaviours by name, each one deviation that a test of the contract should find."""

from __future__ import annotations

from tests.harness.serving.misbehaving import (
    bad_answers,
    bad_bodies,
    bad_chunks,
    bad_framing,
    bad_refusals,
    bad_under_load,
)
from tests.harness.serving.misbehaving.hooks import HONEST, Misbehaviour, Table

PARTS: tuple[Table, ...] = (
    bad_framing.TABLE,
    bad_chunks.TABLE,
    bad_answers.TABLE,
    bad_bodies.TABLE,
    bad_refusals.TABLE,
    bad_under_load.TABLE,
)

MISBEHAVIOURS: Table = {name: each for part in PARTS for name, each in part.items()}


def named(name: str | None) -> Misbehaviour:
    """Return the misbehaviour of that name; of ``None``, honesty."""
    return HONEST if name is None else MISBEHAVIOURS[name]
