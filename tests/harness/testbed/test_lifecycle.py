"""`up` and `down` tell the truth about what runs, and leave nothing behind."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.cluster import launch, needs, procs
from testbed.cluster.api import Cluster
from testbed.cluster.errors import NeedsMissing, StartFailed, TestbedError
from testbed.cluster.paths import PROJECT_ROOT
from testbed.cluster.shape import Shape
from tests.harness.testbed.kit import SMALL, residue, traces_of

pytestmark = pytest.mark.testbed
DEADLINE_S = 20
UP_BUDGET_S = 10.0


def _quiet(_text: str) -> None:
    pass


def _anchor(cluster: Cluster) -> int:
    return cluster.tree().anchor.pid


def _slurmctld(cluster: Cluster) -> int:
    return cluster.tree().nodes["node1"].daemons["slurmctld"].pid


def _slurmd(cluster: Cluster) -> int:
    return cluster.tree().nodes["node2"].daemons["slurmd"].pid


def _munged(cluster: Cluster) -> int:
    munged = cluster.tree().munged
    assert munged is not None
    return munged.pid


def _node_init(cluster: Cluster) -> int:
    return cluster.tree().nodes["node2"].init.pid


VICTIMS: list[Callable[[Cluster], int]] = [_anchor, _slurmctld, _slurmd, _munged, _node_init]


def _start_job(cluster: Cluster) -> "subprocess.Popen[bytes]":
    """Hold both nodes with a job that has a container on each, and wait until it runs."""
    process = subprocess.Popen(
        cluster.run_command(["sleep", "100"], nodes=SMALL.nodes),
        env=cluster.environment(),
        cwd=PROJECT_ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert procs.wait_for(lambda: bool(cluster.status()["steps"]), timeout_s=DEADLINE_S)
    return process


def test_up_twice_leaves_the_running_one_alone(cluster: Cluster) -> None:
    before = cluster.tree()
    words: list[str] = []

    cluster.up(SMALL, log=words.append)
    assert cluster.tree() == before
    assert "up already" in words[-1]


def test_up_of_eight_nodes_is_quick_and_all_are_idle(own_cluster: Cluster) -> None:
    began = time.monotonic()
    own_cluster.up(Shape(nodes=8), log=_quiet)

    assert time.monotonic() - began < UP_BUDGET_S
    assert {node["state"] for node in own_cluster.status()["nodes"]} == {"idle"}


@pytest.mark.parametrize("victim", VICTIMS)
def test_up_after_a_kill_starts_anew(
    own_cluster: Cluster, victim: Callable[[Cluster], int]
) -> None:
    own_cluster.up(SMALL, log=_quiet)
    old = own_cluster.tree().anchor
    dead = victim(own_cluster)
    os.kill(dead, signal.SIGKILL)
    assert procs.wait_for(lambda: procs.read_process(dead) is None, timeout_s=DEADLINE_S)

    own_cluster.up(SMALL, log=_quiet)
    assert own_cluster.tree().anchor != old
    assert own_cluster.status()["problems"] == []


@pytest.mark.parametrize("victim", [None, _slurmctld, _node_init])
def test_down_leaves_nothing_whatever_was_killed_before(
    own_cluster: Cluster, victim: Callable[[Cluster], int] | None
) -> None:
    own_cluster.up(SMALL, log=_quiet)
    job = _start_job(own_cluster)
    traces = traces_of(own_cluster)
    assert residue(own_cluster, traces)
    if victim:
        os.kill(victim(own_cluster), signal.SIGKILL)

    own_cluster.down(log=_quiet)
    assert residue(own_cluster, traces) == []
    assert job.wait(DEADLINE_S) != 0
    assert not own_cluster.is_up


def test_a_record_of_another_boot_is_stale(own_cluster: Cluster) -> None:
    own_cluster.up(SMALL, log=_quiet)
    own_cluster.down(log=_quiet)
    facts = {"boot_id": "another", "anchor": {"pid": os.getpid(), "start": 1}, "since": 0.0}
    facts |= {"shape": SMALL.as_dict(), "image": None}
    own_cluster.state.record.write_text(json.dumps(facts))

    words: list[str] = []
    own_cluster.up(SMALL, log=words.append)
    assert "reboot" in words[0]


def test_a_record_with_another_process_of_that_number_kills_nobody(own_cluster: Cluster) -> None:
    own_cluster.state.root.mkdir()
    facts = {"boot_id": procs.boot_id(), "anchor": {"pid": os.getpid(), "start": 1}, "since": 0.0}
    facts |= {"shape": SMALL.as_dict(), "image": None}
    own_cluster.state.record.write_text(json.dumps(facts))

    own_cluster.down(log=_quiet)
    assert not own_cluster.state.record.exists()


def test_a_broken_record_does_not_stop_up(own_cluster: Cluster) -> None:
    own_cluster.state.root.mkdir()
    own_cluster.state.record.write_text("{half")

    own_cluster.up(SMALL, log=_quiet)
    assert own_cluster.is_up


def test_a_testbed_whose_record_is_gone_ends_by_itself(own_cluster: Cluster) -> None:
    own_cluster.up(SMALL, log=_quiet)
    anchor = own_cluster.tree().anchor
    own_cluster.state.record.unlink()

    gone = procs.wait_for(
        lambda: not procs.is_alive(anchor.pid, anchor.start), timeout_s=DEADLINE_S
    )
    assert gone


def test_another_shape_is_refused_while_jobs_run_and_made_when_none_does(
    own_cluster: Cluster,
) -> None:
    own_cluster.up(SMALL, log=_quiet)
    job = _start_job(own_cluster)
    with pytest.raises(TestbedError, match=r"another shape .* runs jobs: \d+ \(sleep\)"):
        own_cluster.up(Shape(nodes=1), log=_quiet)
    job.terminate()
    job.wait(DEADLINE_S)
    assert procs.wait_for(lambda: not own_cluster.status()["jobs"], timeout_s=DEADLINE_S)

    own_cluster.up(Shape(nodes=1), log=_quiet)
    assert own_cluster.tree().record.shape.nodes == 1


def test_a_start_that_fails_half_way_is_undone_and_tells_why(
    own_cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = "ClusterName=testbed\nNoSuchSetting=1\n"
    monkeypatch.setattr("testbed.cluster.slurmconf.slurm_conf", lambda *_: broken)
    monkeypatch.setattr(launch, "IDLE_DEADLINE_S", 5.0)

    with pytest.raises(StartFailed, match="all of it was undone") as failure:
        own_cluster.up(SMALL, log=_quiet)
    assert "slurm" in str(failure.value)
    assert not own_cluster.is_up
    assert residue(own_cluster) == []


def test_down_of_nothing_is_fine_and_makes_no_folder(own_cluster: Cluster) -> None:
    own_cluster.down(log=_quiet)

    assert not own_cluster.state.root.exists()


def test_all_that_is_missing_is_named_at_once(
    own_cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setitem(needs.PROGRAMS, "no-such-slurmctld", "slurmctld")
    monkeypatch.setitem(needs.FILES, "/no/such/spank.h", "libslurm-dev")

    with pytest.raises(NeedsMissing) as missing:
        own_cluster.up(SMALL)
    words = str(missing.value)
    assert all(part in words for part in ("root", "no-such-slurmctld", "/no/such/spank.h"))
    assert "apt-get install libslurm-dev slurmctld" in words


def test_every_file_lies_in_the_state_folder(own_cluster: Cluster) -> None:
    watched = ("/etc", "/run", "/var/run", "/usr/local/bin", "/dev/shm", "/srv", "/var/log")
    before = {folder: sorted(Path(folder).iterdir()) for folder in watched}
    own_cluster.up(SMALL, log=_quiet)
    own_cluster.run(["true"])
    own_cluster.down(log=_quiet)

    assert {folder: sorted(Path(folder).iterdir()) for folder in watched} == before
