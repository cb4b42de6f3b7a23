"""The nodes: as Slurm sees them, clean, and with GPUs that a worker can span."""

from __future__ import annotations

import pytest

from fixtures.preflight import Ask
from harness.fitness import Question
from harness.run import QualificationRun


@pytest.mark.lifecycle("preflight")
class NodePromises:
    """The nodes of the run are up, clean, alike, healthy and joined."""

    def test_slurm_holds_every_node_for_fit(self, ask: Ask) -> None:
        """No node is down, drained or silent; Slurm's reason is given (FAULTS 6, 8)."""
        ask(Question.STATES)

    def test_nodes_hold_nothing_of_an_earlier_deployment(
        self, ask: Ask, run: QualificationRun
    ) -> None:
        """No deployment still runs, no stale moe_*, no busy GPU, no taken port (seed, tip)."""
        ask(Question.BASELINE)
        assert set(run.baseline.get().nodes) == set(run.plan.nodes)

    def test_every_node_has_the_planned_gpus(self, ask: Ask) -> None:
        """Each node shows NUM_GPUS_PER_NODE GPUs of its own, told apart by UUID (FAULTS 23)."""
        ask(Question.GPU_COUNT)

    def test_all_gpus_are_of_one_model_and_driver(self, ask: Ask) -> None:
        """A worker over unlike GPUs or drivers is no fair test of the product."""
        ask(Question.GPU_KIND)

    def test_every_gpu_is_healthy(self, ask: Ask) -> None:
        """No uncorrected ECC error, no remapping due, no Xid of the hardware (FAULTS 23, 24)."""
        ask(Question.GPU_HEALTH)

    def test_gpus_of_each_worker_are_in_one_nvlink_domain(self, ask: Ask) -> None:
        """clusterUuid and cliqueId are the same where NVLink spans nodes (FAULTS 27)."""
        ask(Question.NVLINK)

    def test_every_node_of_an_nvlink_domain_has_an_imex_channel(self, ask: Ask) -> None:
        """Memory is shared over NVLink through /dev/nvidia-caps-imex-channels (FAULTS 26)."""
        ask(Question.IMEX)
