"""What a rehearsal shows to be wrong, with nodes and ranks; and whose fault it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.dynamo.plan import make_plan
from harness.dynamo.rehearsal import RankAnswer, Rehearsal, planned_paths, rehearsal_step
from harness.dynamo.rehearsed import (
    harmful_variables,
    injected_words,
    wrong_gpus,
    wrong_launch,
    wrong_model,
    wrong_paths,
    wrong_variables,
)
from harness.nodes.snapshot import Snapshot
from harness.settings import Settings
from harness.slurm.srun import StepSpec
from tests.harness.pure.fitness_kit import fit_node

VARIABLES = {"MODEL_PATH": "/model", "ENGINE_CONFIG": "/mnt/agg.yaml"}
SPEC = StepSpec("rehearsal", "7", ("node1", "node2"), 2, (), variables=VARIABLES)
BASELINE = Snapshot({name: fit_node(name) for name in SPEC.nodes})


def rank(number: int) -> RankAnswer:
    """Return what a well rank says; four of them are a whole step."""
    host = f"node{number // 2 + 1}"
    first = number % 2 == 0
    return RankAnswer(
        host=host,
        rank=number,
        tasks=4,
        pmix_rank=number,
        pmix_namespace="slurm.pmix.7.0",
        variables=dict(VARIABLES),
        injected={},
        model_folder="/model",
        expert_bytes=10 * number,
        paths={"/mnt/agg.yaml": ""} if first else None,
        gpus=(f"GPU-{host}-0", f"GPU-{host}-1") if first else None,
        imex_channels=("channel0",) if first else None,
    )


def rehearsal(*changed: RankAnswer) -> Rehearsal:
    """Return four answers; those given stand for the well ones of their ranks."""
    known = {each.rank: each for each in changed}
    return Rehearsal(SPEC, tuple(known.get(number, rank(number)) for number in range(4)))


def test_a_well_step_has_nothing_to_be_said_of() -> None:
    well = rehearsal()

    assert not list(wrong_launch(well))
    assert not list(harmful_variables(well))
    for wrong in (wrong_variables(well), wrong_paths(well), wrong_model(well)):
        assert wrong.sentences == ()
    assert wrong_gpus(well, BASELINE).sentences == ()
    assert injected_words(well) == ()
    assert well.expert_bytes == 50


def test_silent_ranks_are_counted_with_their_node() -> None:
    half = replace(rehearsal(), answers=tuple(rank(number) for number in range(2)))

    assert list(wrong_launch(half)) == [
        "2 of 4 ranks said nothing: ranks 2-3",
        "node2: 2 ranks are planned, 0 ran there",
    ]


def test_no_pmix_in_the_container_is_told_for_all_ranks() -> None:
    without = [replace(rank(number), pmix_rank=None) for number in range(4)]

    [told] = wrong_launch(rehearsal(*without))

    assert told == "no PMIx in the container (PMIX_RANK, PMIX_SERVER_URI) of ranks 0-3"


def test_worlds_of_one_are_told() -> None:
    """Wrong MPI plugin: every rank is rank 0 of a world of its own (FAULTS 11)."""
    alone = [
        replace(rank(number), pmix_rank=0, pmix_namespace=f"world.{number}", tasks=1)
        for number in range(4)
    ]

    told = list(wrong_launch(rehearsal(*alone)))

    assert "node1: rank 1 of Slurm is rank 0 of PMIx" in told
    assert "the ranks are in 4 MPI worlds instead of one" in told
    assert "a world size of 4 is planned, ranks 0-3 see 1" in told


def test_a_rank_on_another_node_is_told() -> None:
    moved = rehearsal(replace(rank(2), host="node1"))

    assert list(wrong_launch(moved)) == [
        "node1: 2 ranks are planned, 3 ran there",
        "node2: 2 ranks are planned, 1 ran there",
    ]


def test_replaced_and_lost_variables_are_told_once_with_their_ranks() -> None:
    replaced = [
        replace(rank(number), variables={"MODEL_PATH": "/other", "ENGINE_CONFIG": "/mnt/agg.yaml"})
        for number in (0, 1, 2)
    ]
    lost = replace(rank(3), variables={"MODEL_PATH": "/model", "ENGINE_CONFIG": None})

    wrong = wrong_variables(rehearsal(*replaced, lost))

    assert wrong.sentences == (
        "MODEL_PATH is '/other' in the container of ranks 0-2, planned is '/model'",
        "ENGINE_CONFIG is not set in the container of rank 3, planned is '/mnt/agg.yaml'",
    )


def test_a_path_that_is_nowhere_was_asked_for_and_one_node_without_it_is_at_fault() -> None:
    missing = {"/mnt/agg.yaml": "No such file or directory"}
    one, both = (
        rehearsal(replace(rank(2), paths=missing)),
        rehearsal(replace(rank(0), paths=missing), replace(rank(2), paths=missing)),
    )

    assert wrong_paths(one).sentences == ("node2: /mnt/agg.yaml: No such file or directory",)
    assert not wrong_paths(one).everywhere
    assert wrong_paths(both).sentences == ("node[1-2]: /mnt/agg.yaml: No such file or directory",)
    assert wrong_paths(both).everywhere


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (replace(rank(2), gpus=("GPU-node2-0",)), "1 of the 2 GPUs are visible"),
        (replace(rank(2), gpus=None, gpus_said="no driver"), "nvidia-smi in the container: no"),
        (replace(rank(2), gpus=None, gpu_devices=1), "1 of the 2 GPUs have a device in /dev"),
        (replace(rank(2), imex_channels=()), "no channel in /dev/nvidia-caps-imex-channels"),
    ],
)
def test_gpus_that_a_container_does_not_show_are_told(answer: RankAnswer, words: str) -> None:
    wrong = wrong_gpus(rehearsal(answer), BASELINE)

    assert words in wrong.sentences[0]
    assert wrong.sentences[0].startswith("node2: ")


def test_a_container_without_nvidia_smi_counts_by_its_devices() -> None:
    assert not wrong_gpus(rehearsal(replace(rank(2), gpus=None, gpu_devices=2)), BASELINE).sentences


def test_a_shard_that_one_node_cannot_read_is_that_nodes() -> None:
    wrong = wrong_model(rehearsal(replace(rank(3), model_problems=("b: Permission denied",))))

    assert wrong.sentences == ("node2: b: Permission denied",)
    assert not wrong.everywhere


@pytest.mark.parametrize(
    ("name", "value", "harmful"),
    [
        ("UCX_TLS", "tcp", True),
        ("UCX_TLS", "rc,cuda_ipc,tcp", False),
        ("NCCL_MNNVL_ENABLE", "0", True),
        ("NCCL_CUMEM_ENABLE", "0", True),
        ("NCCL_CUMEM_ENABLE", "1", False),
        ("https_proxy", "http://proxy:3128", False),
    ],
)
def test_injected_variables_are_told_and_some_are_refused(
    name: str, value: str, harmful: bool
) -> None:
    """On node1 alone: a hook of that node's container runtime."""
    hooked = rehearsal(*(replace(rank(at), injected={name: value}) for at in (0, 1)))

    assert injected_words(hooked) == (f"{name}={value} on node1",)
    told = list(harmful_variables(hooked))
    assert bool(told) is harmful
    assert all(f"{name}={value} in the containers of node1: " in each for each in told)


def test_the_step_is_a_workers_own_line_but_for_its_command() -> None:
    plan = make_plan(
        ["disagg"],
        Settings(image="/image.sqsh", model_path="/model"),
        nodes=[f"node{number}" for number in range(1, 9)],
        head_address="10.77.0.1",
        run_id="r",
        job_id="7",
        log_root=Path("/logs"),
    )
    worker = plan.deployments[0].steps[1]

    step = rehearsal_step(plan, log_folder=Path("/logs/preflight"), paths=planned_paths(plan))

    assert step.nodes == tuple(f"node{number}" for number in range(1, 9))
    assert (step.tasks_per_node, step.mpi, step.account) == (4, "pmix", worker.account)
    assert step.variables.keys() == worker.variables.keys()
    assert step.container is not None
    assert worker.container is not None
    assert step.container.image == worker.container.image
    assert step.container.mounts[:-1] == worker.container.mounts[:-1]
    paths = step.command[step.command.index("--paths") + 1].split(",")
    assert {f"r:{each.engine_config}" for each in plan.workers} <= set(paths)
    assert {"x:/qualify/scripts/start_trtllm_worker.sh", "w:/qualify/logs", "r:/model"} <= set(
        paths
    )
