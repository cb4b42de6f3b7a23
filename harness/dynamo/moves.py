"""The moves by which a topology is scaled: as data, in the order in which they are made."""

from __future__ import annotations

from dataclasses import dataclass

from harness.compat import StrEnum
from harness.topology import Role
from harness.topology_names import AGG_REPLICAS, DISAGG_SCALED


class Way(StrEnum):
    """How the number of replicas is changed."""

    UP = "up"
    TERM = "term"
    KILL = "kill"


@dataclass(frozen=True)
class Move:
    """One change of one role: ``replicas`` are those that are left after it."""

    role: Role
    way: Way
    replicas: int

    def __str__(self) -> str:
        return f"{self.role.short}-{self.way}-to-{self.replicas}"


def _there_and_back(role: Role) -> tuple[Move, ...]:
    """Return the moves of two replicas: one leaves in order and one is killed, each replaced."""
    return (
        Move(role, Way.TERM, 1),
        Move(role, Way.UP, 2),
        Move(role, Way.KILL, 1),
        Move(role, Way.UP, 2),
    )


MOVES = {
    AGG_REPLICAS: (
        *(Move(Role.AGGREGATED, Way.UP, replicas) for replicas in (2, 3, 4)),
        Move(Role.AGGREGATED, Way.TERM, 2),
        *_there_and_back(Role.AGGREGATED),
    ),
    DISAGG_SCALED: (*_there_and_back(Role.PREFILL), *_there_and_back(Role.DECODE)),
}
