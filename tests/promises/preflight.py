"""What must be so before the first step.

Else nothing that follows would say anything about the product.
"""

from __future__ import annotations

import pytest

from harness.nodes.snapshot import Snapshot
from harness.run import QualificationRun


@pytest.mark.lifecycle("preflight")
class PreflightPromises:
    """The nodes of the run are clean, and alike."""

    def test_nodes_hold_nothing_of_an_earlier_deployment(self, run: QualificationRun) -> None:
        """No deployment still runs, no stale moe_*, no busy GPU, no taken port (seed, tip)."""
        snapshot = run.baseline.get()

        assert set(snapshot.nodes) == set(run.plan.nodes)

    def test_every_node_has_the_planned_gpus(
        self, run: QualificationRun, baseline: Snapshot
    ) -> None:
        """Each node shows NUM_GPUS_PER_NODE GPUs of its own, told apart by UUID."""
        uuids = {
            node: [gpu.uuid for gpu in seen.gpus or ()] for node, seen in baseline.nodes.items()
        }

        assert {node: len(set(each)) for node, each in uuids.items()} == dict.fromkeys(
            run.plan.nodes, run.settings.num_gpus_per_node
        )
        assert len({uuid for each in uuids.values() for uuid in each}) == sum(
            map(len, uuids.values())
        )

    def test_all_gpus_are_of_one_model_and_driver(self, baseline: Snapshot) -> None:
        """A worker over unlike GPUs or drivers is no fair test of the product."""
        kinds = {
            (gpu.name, gpu.driver) for seen in baseline.nodes.values() for gpu in seen.gpus or ()
        }

        assert len(kinds) == 1
