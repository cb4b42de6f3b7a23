"""The names of topologies, which site files, tests and plans have in common."""

from __future__ import annotations

AGG = "agg"
AGG_REPLICAS = "agg-replicas"
DISAGG = "disagg"
DISAGG_SMALL = "disagg-small"
DISAGG_SCALED = "disagg-scaled"
DISAGG_MIXED = "disagg-mixed"

DISAGGREGATED = (DISAGG, DISAGG_SMALL, DISAGG_SCALED, DISAGG_MIXED)

ATTACHED = "attached"
"""In the place of a topology: a server that somebody else started (``--endpoint``)."""

TOPOLOGY_NAMES = (ATTACHED, AGG, AGG_REPLICAS, *DISAGGREGATED)
"""All of them, in the order in which tests run."""
