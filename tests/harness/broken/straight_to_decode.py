"""A pytest plugin that takes the prefill worker away and lets decode answer by itself.

So does a frontend that does not insist on prefill: good text comes, and every request skips it.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.dynamo import topologies
from harness.settings import Settings
from harness.topology import Role, RoleShape


def pytest_configure() -> None:
    """Deploy the small topology without its prefill worker, decode as an aggregated worker."""
    patch = pytest.MonkeyPatch()
    original = topologies._shapes

    def without_prefill(
        settings: Settings,
    ) -> dict[str, tuple[RoleShape, ...]]:
        shapes = original(settings)
        [decode] = [each for each in shapes["disagg-small"] if each.role is Role.DECODE]
        config = settings.replica_engine_config  # takes prompts, and needs no transceiver
        return {**shapes, "disagg-small": (replace(decode, engine_config=config),)}

    patch.setattr(topologies, "_shapes", without_prefill)
    patch.setattr(Role, "disaggregation_mode", property(lambda _: "prefill_and_decode"))
