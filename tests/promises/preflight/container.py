"""The container: what a worker's ranks will find in it, seen by a step with their srun flags."""

from __future__ import annotations

import pytest

from fixtures.preflight import Ask
from harness.fitness import Question


@pytest.mark.lifecycle("preflight")
class ContainerPromises:
    """A worker's srun line gives ranks that are one world and find what is planned for them."""

    def test_ranks_of_a_step_are_one_world_on_the_planned_nodes(self, ask: Ask) -> None:
        """PMIx numbers 0..N-1, all in one namespace, NUM_GPUS_PER_NODE a node (FAULTS 11, 17)."""
        ask(Question.LAUNCH)

    def test_planned_variables_arrive_in_the_container_of_every_rank(self, ask: Ask) -> None:
        """None is lost, and none is replaced by what the image defines (Pyxis, --container-env)."""
        ask(Question.VARIABLES)

    def test_no_injected_variable_spoils_transports(self, ask: Ask) -> None:
        """Nobody's UCX_TLS=tcp or NCCL_MNNVL_ENABLE=0; others are told (FAULTS 28, 29, 39)."""
        ask(Question.INJECTED)

    def test_parts_of_a_deployment_reach_each_other_past_any_proxy(self, ask: Ask) -> None:
        """No proxy that no_proxy does not except their addresses from (FAULTS 39)."""
        ask(Question.PROXY)

    def test_every_path_of_the_plan_is_there_in_the_container(self, ask: Ask) -> None:
        """Scripts, engine configs, balancer, log folder: on every node (FAULTS 20)."""
        ask(Question.PATHS)

    def test_gpus_are_visible_in_the_container(self, ask: Ask) -> None:
        """Those of the node and its IMEX channel, by nvidia-smi in it (FAULTS 23, 26)."""
        ask(Question.CONTAINER_GPUS)

    def test_model_is_whole_and_readable_on_every_node(self, ask: Ask) -> None:
        """Every shard of the index in its full length, and a tokenizer (FAULTS 21)."""
        ask(Question.MODEL)

    def test_shared_memory_holds_the_experts_where_they_are_balanced_online(self, ask: Ask) -> None:
        """/dev/shm and memory of a node take all experts: else a bus error (FAULTS 32)."""
        ask(Question.EXPERTS)
