"""A short step that does not end: the nodes that said nothing are named."""

from __future__ import annotations

import pytest

from harness.slurm.client import silent_nodes
from harness.slurm.srun import StepSpec

SPEC = StepSpec("probe", "7", ("node1", "node2", "node3"), 1, ("python3",))


@pytest.mark.parametrize(
    ("output", "silent"),
    [
        ("0: {}\n2: {}\n", ("node2",)),
        ("0: {}\n 1: {}\n", ("node3",)),
        ("", SPEC.nodes),
        ("0: {}\n1: {}\n2: {}\n", SPEC.nodes),
    ],
)
def test_nodes_without_a_word_are_named(output: str, silent: tuple[str, ...]) -> None:
    assert silent_nodes(SPEC, output) == silent
