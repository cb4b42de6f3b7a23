"""A worker killed on purpose: how it went is told, also what did not happen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.dynamo.kill import KillReport, kill_worker
from harness.dynamo.worker import Worker
from harness.errors import ProductError
from harness.topology import Role
from tests.harness.pure.step_kit import DEAF, LocalSlurm, launch_worker, local_slurm


@pytest.fixture
def slurm(tmp_path: Path) -> Iterator[LocalSlurm]:
    with local_slurm(tmp_path) as slurm:
        yield slurm


@pytest.fixture
def worker(slurm: LocalSlurm) -> Worker:
    """A worker of one node that would not hear SIGTERM."""
    return launch_worker(slurm, DEAF, role=Role.PREFILL)


def test_the_death_is_noticed_and_the_lease_waited_for(slurm: LocalSlurm, worker: Worker) -> None:
    looks = iter([True, True, False])

    report = kill_worker(slurm.client, worker, registered=lambda: next(looks), budget_s=20)

    assert report.noticed_s is not None
    assert report.unregistered_s is not None
    assert worker.step.exit_code is not None
    assert "SIGKILL" in str(report)


def test_an_instance_that_stays_is_told(slurm: LocalSlurm, worker: Worker) -> None:
    report = kill_worker(slurm.client, worker, registered=lambda: True, budget_s=0.2)

    assert report.unregistered_s is None
    assert "its instance left discovery never" in str(report)


def test_a_silent_etcd_has_not_seen_the_instance_go(slurm: LocalSlurm, worker: Worker) -> None:
    def silent() -> bool:
        raise ProductError("etcd does not answer")

    assert kill_worker(slurm.client, worker, registered=silent, budget_s=0.2).unregistered_s is None


def test_a_report_says_when_and_by_whom() -> None:
    report = KillReport("decode-1", "7.4", 1000.0, 0.13, 9.84, ())

    assert str(report) == (
        "decode-1 (step 7.4) was killed; Slurm told of it after 0.1 s, its instance left "
        "discovery after 9.8 s; no task end was reported"
    )
