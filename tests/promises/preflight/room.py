"""Room, time and ways: what nodes and Slurm need besides GPUs."""

from __future__ import annotations

import pytest

from fixtures.preflight import Ask
from harness.fitness import Question


@pytest.mark.lifecycle("preflight")
class RoomPromises:
    """The nodes have the room for a worker, and Slurm has the means and the time."""

    def test_every_node_has_free_memory_for_its_ranks(self, ask: Ask) -> None:
        """What is free holds the ranks themselves; less ends in an oom_kill (FAULTS 48)."""
        ask(Question.MEMORY)

    def test_every_node_has_room_in_tmp_and_in_the_run_directory(self, ask: Ask) -> None:
        """Every node sees the run directory, with room for logs there and in /tmp."""
        ask(Question.DISK)

    def test_huge_pages_can_be_had_where_experts_are_balanced_online(self, ask: Ask) -> None:
        """Not "never": else `madvise(MADV_HUGEPAGE) failed.` (TensorRT-LLM, blog on wide EP)."""
        ask(Question.HUGE_PAGES)

    def test_all_nodes_tell_the_same_time(self, ask: Ask) -> None:
        """No clock is a second off beyond the time that the probe itself took to be answered."""
        ask(Question.CLOCKS)

    def test_srun_has_pmix(self, ask: Ask) -> None:
        """`srun --mpi=list` names pmix, by which ranks find each other (FAULTS 11)."""
        ask(Question.MPI)

    def test_every_node_reaches_the_head_node_at_its_address(self, ask: Ask) -> None:
        """One address of the head node's own, not loopback, reached by all (FAULTS 35, 36)."""
        ask(Question.HEAD)

    def test_walltime_is_enough_for_the_longest_deployment(self, ask: Ask) -> None:
        """The job does not end before a deployment has had its budget (FAULTS 7)."""
        ask(Question.WALLTIME)
