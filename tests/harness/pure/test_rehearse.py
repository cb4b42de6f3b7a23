"""The step of a rehearsal: what comes of one that ends, fails, is refused, or hangs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.deadline import Deadline
from harness.dynamo import rehearsal
from harness.dynamo.launch import SCRIPTS_SOURCE
from harness.dynamo.rehearsal import rehearse
from harness.errors import ContainerError, LaunchUnfit, SlurmError
from harness.slurm.srun import StepSpec
from harness.slurm.step import Step
from tests.harness.pure.step_kit import SAID, LocalSlurm, local_slurm

LOOKS = f"SLURMD_NODENAME=node1 exec python3 -I -S {SCRIPTS_SOURCE / 'rehearse.py'} "
LOOKS += "--ranks-per-node 1 --model /no/such/model"


@pytest.fixture
def slurm(tmp_path: Path) -> Iterator[LocalSlurm]:
    """A Slurm of scripts."""
    with local_slurm(tmp_path) as made:
        yield made


def run(slurm: LocalSlurm, spec: StepSpec, start_timeout_s: float = 20.0) -> rehearsal.Rehearsal:
    return rehearse(slurm.client, spec, log_folder=slurm.folder, start_timeout_s=start_timeout_s)


def test_answers_of_the_ranks_are_read_and_kept(slurm: LocalSlurm) -> None:
    done = run(slurm, slurm.spec("rehearsal", LOOKS))

    assert [each.host for each in done.answers] == ["node1"]
    assert done.answers[0].model_problems == ("/no/such/model is no folder",)
    assert "node1" in (slurm.folder / "rehearsal.out.log").read_text()


def test_a_rank_that_fails_is_a_fault_of_the_launch_and_not_of_the_product(
    slurm: LocalSlurm,
) -> None:
    with pytest.raises(LaunchUnfit) as refused:
        run(slurm, slurm.spec("rehearsal", "echo python3: not found >&2; exit 127"))

    assert "rank 0 on node1: exit code 127" in str(refused.value)
    assert "python3: not found" in str(refused.value)


def test_an_image_that_pyxis_refuses_is_told_in_its_words(slurm: LocalSlurm) -> None:
    refusal = {"SAYS": str(SAID / "no_image.err"), "CODE": "1"}

    with pytest.raises(ContainerError) as refused:
        run(slurm, slurm.spec("rehearsal", "", **refusal))

    assert "pyxis" in str(refused.value) or "image" in str(refused.value)


def test_a_step_that_hangs_is_killed_and_its_silent_nodes_are_named(slurm: LocalSlurm) -> None:
    with pytest.raises(SlurmError) as late:
        run(slurm, slurm.spec("rehearsal", "exec sleep 60"), start_timeout_s=1.0)

    assert "no word came from node1" in str(late.value)
    assert not list(slurm.folder.glob("7.*"))


def test_a_step_is_ended_with_whoever_waits_for_it(
    slurm: LocalSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while it runs: srun has a session of its own and would not hear of it."""

    def interrupt(step: Step, _: float) -> None:
        step.wait_launched(Deadline.after(20))
        raise KeyboardInterrupt

    monkeypatch.setattr(rehearsal, "_wait_ended", interrupt)

    with pytest.raises(KeyboardInterrupt):
        run(slurm, slurm.spec("rehearsal", "exec sleep 60"))

    assert not list(slurm.folder.glob("7.*"))


def test_stragglers_are_given_less_than_the_first(
    slurm: LocalSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsal, "STRAGGLERS_S", 0.5)

    with pytest.raises(SlurmError) as late:
        run(slurm, slurm.spec("rehearsal", "echo a word; exec sleep 60"), start_timeout_s=60.0)

    assert "has not ended" in str(late.value)
