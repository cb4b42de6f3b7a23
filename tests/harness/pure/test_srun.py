"""The ``srun`` line of a step, word by word, and what a shell makes of its rendering."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.mounts import Mount
from harness.slurm.srun import ContainerSpec, StepSpec, step_environment

IMAGE = ContainerSpec(
    "/srv/images/dynamo.sqsh",
    (
        Mount(Path("/repo"), PurePosixPath("/mnt")),
        Mount(Path("/srv"), PurePosixPath("/srv"), "ro"),
    ),
)
PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF), max_size=12)


def worker(**changed: object) -> StepSpec:
    facts: dict[str, object] = {
        "name": "qualify-1-agg-0",
        "job_id": "453374",
        "nodes": ("node1", "node2", "node3", "node4"),
        "tasks_per_node": 4,
        "command": ("/qualify/scripts/start_trtllm_worker.sh",),
        "container": IMAGE,
        "mpi": "pmix",
        "variables": {"MODEL_PATH": "nvidia/DeepSeek-R1-FP4", "ENGINE_CONFIG": "/mnt/agg.yaml"},
    }
    return StepSpec(**(facts | changed))  # type: ignore[arg-type]


def options(argv: list[str]) -> dict[str, str]:
    """Return the ``--name=value`` words; a word without a value has an empty one."""
    words = [word.partition("=") for word in argv if word.startswith("--")]
    return {name: value for name, _, value in words}


def test_the_step_is_placed_on_its_nodes_and_no_others() -> None:
    said = options(worker().argv())

    assert (said["--jobid"], said["--nodelist"], said["--nodes"]) == ("453374", "node[1-4]", "4")
    assert (said["--ntasks"], said["--ntasks-per-node"]) == ("16", "4")


def test_the_step_has_a_name() -> None:
    assert options(worker().argv())["--job-name"] == "qualify-1-agg-0"


@pytest.mark.parametrize(
    "option", ["--overlap", "--oversubscribe", "--verbose", "--label", "--no-container-mount-home"]
)
def test_the_options_of_the_example_are_kept(option: str) -> None:
    assert option in worker().argv()


def test_one_dead_rank_ends_the_step() -> None:
    assert options(worker().argv())["--kill-on-bad-exit"] == "1"


def test_the_command_comes_last_and_whole() -> None:
    argv = worker(command=("python3", "-", "--job", "7")).argv()

    assert argv[-4:] == ["python3", "-", "--job", "7"]


def test_every_variable_of_the_step_wins_over_the_images_own() -> None:
    assert options(worker().argv())["--container-env"] == "ENGINE_CONFIG,MODEL_PATH"


def test_image_and_mounts_are_pyxis_options() -> None:
    said = options(worker().argv())

    assert said["--container-image"] == "/srv/images/dynamo.sqsh"
    assert said["--container-mounts"] == "/repo:/mnt,/srv:/srv:ro"


def test_a_step_outside_of_a_container_has_no_pyxis_option() -> None:
    said = options(worker(container=None).argv())

    assert not [name for name in said if "container" in name]


@pytest.mark.parametrize(("account", "said"), [("", None), ("team-a", "team-a")])
def test_an_account_is_given_only_if_there_is_one(account: str, said: str | None) -> None:
    assert options(worker(account=account).argv()).get("--account") == said


@settings(max_examples=20, deadline=None)
@given(st.lists(PRINTABLE, min_size=1, max_size=3), PRINTABLE)
def test_the_rendered_step_means_the_same_to_a_shell(command: list[str], value: str) -> None:
    step = worker(command=tuple(command), variables={"GIVEN": value})
    shown = f'srun() {{ printf "%s\\0" "$GIVEN" srun "$@"; }}\n{step.rendered()}\n'
    seen = subprocess.run(
        ["bash", "-c", shown], capture_output=True, check=True, encoding="utf-8", timeout=20
    )

    assert seen.stdout.split("\0")[:-1] == [value, *step.argv()]


@pytest.mark.parametrize(
    "name",
    [
        "SLURM_NTASKS_PER_NODE",
        "SLURM_CPU_BIND",
        "SRUN_DEBUG",
        "PMIX_RANK",
        "PMI_SIZE",
        "OMPI_COMM_WORLD_RANK",
        "SPANK_X",
    ],
)
def test_what_slurm_set_for_this_step_does_not_shape_the_next(name: str) -> None:
    assert step_environment({name: "1", "HOME": "/home/user"}, {}) == {"HOME": "/home/user"}


@pytest.mark.parametrize(
    ("environ", "variables", "expected"),
    [
        ({"SLURM_CONF": "/etc/slurm.conf"}, {}, {"SLURM_CONF": "/etc/slurm.conf"}),
        ({"MODEL_PATH": "old"}, {"MODEL_PATH": "new"}, {"MODEL_PATH": "new"}),
        ({}, {"SLURM_DEBUG": "1"}, {"SLURM_DEBUG": "1"}),
    ],
    ids=["where Slurm's configuration is", "the step's own wins", "a variable the step asks for"],
)
def test_what_the_step_needs_is_kept(
    environ: Mapping[str, str], variables: Mapping[str, str], expected: Mapping[str, str]
) -> None:
    assert step_environment(environ, variables) == expected
