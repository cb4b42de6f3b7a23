"""A deployment of before is found among all that runs in the job, and named with its way out."""

from __future__ import annotations

import pytest

from harness.nodes.occupied import NodeUnreadable
from harness.nodes.previous import MODULES, PROGRAMS, Previous, find_previous, is_deployments
from harness.nodes.snapshot import JobProcess, NodeSnapshot, Snapshot
from harness.slurm.words import StepRow

LAUNCH = "/bin/bash /usr/local/bin/trtllm-llmapi-launch python3 -m dynamo.trtllm --model-path /m"
RANK = "python3 -m tensorrt_llm.llmapi.mgmn_worker_node"
SINCE = "2026-11-23T22:50:59"
AGG = StepRow("453374.18", "agg-0", ("node1", "node2"), "alice", SINCE)


def process(
    pid: int, cmdline: str, *, step: str | None = "18", ppid: int = 1, found_by: str = "environ"
) -> JobProcess:
    return JobProcess(
        pid, ppid, 990, 1000, cmdline.split(maxsplit=1)[0], cmdline, found_by, step, 0
    )


def node(name: str, *processes: JobProcess) -> NodeSnapshot:
    return NodeSnapshot(
        node=name,
        boot_id="b-1",
        time_s=1.0,
        python="3.6.15",
        uid=1000,
        elapsed_ms=20.0,
        processes=processes,
    )


def previous(
    *nodes: NodeSnapshot, rows: tuple[StepRow, ...] = (AGG,), own_step: str = ""
) -> list[Previous]:
    snapshot = Snapshot({each.node: each for each in nodes})
    return find_previous(snapshot, rows, own_prefix="qualify-r1-", own_step=own_step)


@pytest.mark.parametrize(
    "cmdline",
    [
        LAUNCH,
        "trtllm-llmapi-launch python3 -m dynamo.trtllm",
        "python3 -m dynamo.frontend --http-port 8000",
        "/opt/dynamo/bin/python3.12 -u -X dev -m dynamo.mocker",
        "python -um dynamo.trtllm",
        "python3 -mdynamo.trtllm",
        "python3 -O -m tensorrt_llm.llmapi.mgmn_leader_node --action start",
        "python3 -Ximporttime -m dynamo.frontend",
        "bash -e -o pipefail /opt/trtllm-llmapi-launch x",
        RANK,
        "etcd --data-dir /tmp/e",
        "/usr/bin/nats-server -js",
    ],
)
def test_a_part_of_a_deployment_is_known_by_its_program(cmdline: str) -> None:
    assert is_deployments(cmdline)


@pytest.mark.parametrize(
    "cmdline",
    [
        "",
        "vim etcd.md",
        "vim etcd",
        "tail -f /logs/nats-server",
        "etcdctl get --prefix v1/",
        "/home/etcd/bin/train",
        "bash -c python3 -m dynamo.frontend",
        "bash -lc etcd",
        "bash",
        "python3",
        "python3 -m pytest -m dynamo.x",
        "python3 -m dynamometer",
        "python3 tools/dynamo.py",
        "python3 -c import dynamo.frontend",
        "srun --nodes=4 trtllm-llmapi-launch python3 -m dynamo.trtllm",
        "nvidia-smi dmon",
        "htop",
        "sleep 600",
    ],
)
def test_a_word_elsewhere_in_the_line_makes_no_deployment(cmdline: str) -> None:
    assert not is_deployments(cmdline)


def test_every_row_of_the_tables_has_its_reason() -> None:
    assert all({**PROGRAMS, **MODULES}.values())


def test_a_step_of_before_is_named_whole_with_its_way_out() -> None:
    first = node("node1", process(40, "slurm_script"), process(41, LAUNCH, ppid=40))
    (found,) = previous(first, node("node2", process(7, RANK), process(8, "sleep 1")))

    assert str(found) == (
        "a previous deployment still runs on node[1-2]: 4 processes of step 453374.18 (agg-0) of "
        f"alice, since {SINCE}, among them pid 41 on node1 (`{LAUNCH}`); "
        "end it: `scancel 453374.18`"
    )
    assert (found.step_id, found.step_name, found.user) == ("453374.18", "agg-0", "alice")
    assert (found.since, found.nodes, found.processes) == (SINCE, ("node1", "node2"), 4)


@pytest.mark.parametrize("cmdline", ["nvidia-smi dmon -s u", "htop", "sleep 600", "vim etcd.md"])
def test_a_monitoring_step_of_the_users_is_left_alone(cmdline: str) -> None:
    assert previous(node("node1", process(41, cmdline))) == []


def test_our_own_steps_do_not_count() -> None:
    ours = StepRow("453374.18", "qualify-r1-agg-0", ("node1",))
    another_runs = StepRow("453374.18", "qualify-r0-agg-0", ("node1",))
    seen = node("node1", process(41, RANK))

    assert previous(seen, rows=(ours,)) == []
    assert [found.step_name for found in previous(seen, rows=(another_runs,))] == [
        "qualify-r0-agg-0"
    ]


def test_a_process_with_our_mark_is_no_predecessors() -> None:
    assert previous(node("node1", process(41, RANK, step=None, found_by="mark"))) == []


def test_orphans_of_a_step_that_slurm_lists_no_more_are_named_by_pid() -> None:
    seen = node("node1", process(41, RANK), process(43, "python3 -c spawn", ppid=41))
    (found,) = previous(seen, node("node2", process(7, RANK)), rows=())

    assert str(found) == (
        "a previous deployment still runs on node[1-2]: 3 processes of step 18 of uid 1000, "
        f"which Slurm does not list any more, among them pid 41 on node1 (`{RANK}`); end them: "
        "`srun --overlap -N1 -n1 -w node1 kill 41 43`, `srun --overlap -N1 -n1 -w node2 kill 7`"
    )
    assert (found.step_name, found.since) == ("", "")


def test_a_process_of_no_known_step_is_named_by_pid() -> None:
    (found,) = previous(node("node1", process(41, "etcd", step=None)))

    assert "1 process of no known step, of uid 1000" in str(found)
    assert found.pids == {"node1": (41,)}


@pytest.mark.parametrize("step", ["interactive", "batch", "extern"])
def test_a_users_shell_is_not_to_be_cancelled_for_what_it_started(step: str) -> None:
    shell = StepRow(f"453374.{step}", step, ("node1",), "alice", SINCE)
    started = (process(42, "etcd", step=step, ppid=40), process(44, "cat", step=step, ppid=43))
    others = (
        process(40, "bash", step=step),
        process(43, "python3 child", step=step, ppid=42),
        process(45, "python3 -m pytest", step=step, ppid=40),
    )
    (found,) = previous(node("node1", *others, *started), rows=(shell,))

    assert found.pids == {"node1": (42, 43, 44)}
    assert "scancel" not in str(found)
    assert f"step 453374.{step} ({step}) of alice, since {SINCE}" in str(found)


def test_the_step_we_run_in_is_not_to_be_cancelled() -> None:
    seen = node("node1", process(40, "bash"), process(42, "etcd", ppid=40))
    (found,) = previous(seen, own_step="18")

    assert found.pids == {"node1": (42,)}
    assert "scancel" not in found.way_out


def test_the_same_pid_on_another_node_is_another_process() -> None:
    parent, child = process(42, "etcd", step="batch"), process(50, "cat", step="batch", ppid=42)
    (found,) = previous(node("node1", parent), node("node2", child))

    assert found.pids == {"node1": (42,)}


def test_every_step_is_found_for_itself() -> None:
    services = StepRow("453374.2", "services", ("node1",), "alice", SINCE)
    seen = node("node1", process(41, RANK), process(30, "etcd", step="2"))

    assert [each.step_id for each in previous(seen, rows=(AGG, services))] == [
        "453374.18",
        "453374.2",
    ]


def test_a_list_without_times_gives_none() -> None:
    (found,) = previous(node("node1", process(41, RANK)), rows=(StepRow("9.18", "agg-0", ()),))

    assert "step 9.18 (agg-0) of uid 1000, among them" in str(found)


def test_processes_that_could_not_be_read_are_not_none() -> None:
    unread = NodeSnapshot(
        node="node1", boot_id="b", time_s=1.0, python="3.6.15", uid=1000, elapsed_ms=20.0
    )

    with pytest.raises(NodeUnreadable, match="processes of node1 could not be read"):
        previous(unread)
