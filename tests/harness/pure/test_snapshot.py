"""From the lines of the probe's step to typed snapshots, and to the run directory and back."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import pytest

from harness.errors import HarnessError, InfraError
from harness.nodes.snapshot import ProbeFailed, Snapshot, parse_snapshots


def document(node: str, **fields: Any) -> dict[str, Any]:
    """One node's answer with a GPU, a file in /dev/shm, a rank and a listener."""
    gpu = {"index": 0, "uuid": f"GPU-{node}", "name": "NVIDIA GB200", "driver": "580.95.05"}
    shm = {"name": "moe_shared_l0_lr0_all", "inode": 7, "size_bytes": 64, "uid": 0, "age_s": 1.5}
    rank = {"pid": 41, "ppid": 1, "start_ticks": 990, "uid": 0, "name": "python3", "step": "18"}
    holder = {key: value for key, value in rank.items() if key != "step"}
    return {
        "schema": 1,
        "node": node,
        "boot_id": "b-1",
        "time_s": 1795473119.3,
        "python": "3.6.15",
        "uid": 0,
        "elapsed_ms": 17.5,
        "errors": [],
        "gpus": [{**gpu, "memory_total_mib": 189471, "memory_used_mib": 1500}],
        "compute_apps": [{"gpu_uuid": f"GPU-{node}", "pid": 41, "name": "py", "memory_mib": 1490}],
        "shm": [{**shm, "pids": [41]}],
        "shm_total_bytes": 1 << 30,
        "shm_free_bytes": 1 << 29,
        "memory_available_mib": 1024,
        "numa": [
            {
                "id": 2,
                "total_mib": 188416,
                "free_mib": 188000,
                "file_pages_mib": 8,
                "shmem_mib": 2,
                "cpus": "",
            }
        ],
        "gpu_devices": [{"uuid": f"GPU-{node}", "minor": 0, "numa_node": 2}],
        "device_holders": [{**holder, "devices": ["nvidia0"], "other_pid_namespace": False}],
        "processes": [{**rank, "cmdline": "python3 x", "found_by": "environ", "rank": 9}],
        "listeners": [{"port": 8000, "uid": 0, "inode": 5, "pids": [41], "names": ["python3"]}],
        "holders": [{"pid": 41, "ppid": 1, "start_ticks": 990, "uid": 0, "name": "python3"}],
        "unread": {"104": 2},
        **fields,
    }


def in_parts(node: str, size: int = 300, **fields: Any) -> list[str]:
    """One node's answer as the probe sends a long one."""
    text = json.dumps(document(node, **fields))
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    frame = {"node": node, "parts": len(pieces)}
    return [json.dumps({**frame, "part": at, "text": piece}) for at, piece in enumerate(pieces)]


def test_facts_of_a_node_are_typed() -> None:
    node = parse_snapshots(json.dumps(document("node1")), expected_nodes=["node1"]).nodes["node1"]

    assert [gpu.memory_used_mib for gpu in node.gpus or ()] == [1500]
    assert [app.pid for app in node.apps_on("GPU-node1")] == [41]
    assert [entry.identity for entry in node.shm or ()] == [("moe_shared_l0_lr0_all", 7)]
    assert [(each.identity, each.step, each.rank) for each in node.processes or ()] == [
        ((41, 990), "18", 9)
    ]
    assert [each.owner for each in node.listeners or ()] == ["pid 41 (python3, uid 0)"]
    assert node.unread == {104: 2}
    assert [(each.page_cache_mib, each.cpus) for each in node.numa or ()] == [(6, "")]
    assert [each.devices for each in node.device_holders or ()] == [("nvidia0",)]


@pytest.mark.parametrize("label", ["{}: ", " {}: ", "{}:", ""])
def test_labels_of_srun_and_its_chatter_are_tolerated(label: str) -> None:
    lines = [label.format(task) + json.dumps(document(f"node{task}")) for task in (2, 1)]
    text = "\n".join(["srun: launching StepId=4711.3 on host node1", *lines, ""])

    snapshot = parse_snapshots(text, expected_nodes=["node1", "node2"])

    assert list(snapshot.nodes) == ["node1", "node2"]


def test_parts_of_several_nodes_may_come_mixed() -> None:
    nodes = [f"node{number}" for number in range(1, 9)]
    lines = [line for node in nodes for line in in_parts(node)]
    random.Random(7).shuffle(lines)  # noqa: S311 - an order that can be repeated, no secret

    snapshot = parse_snapshots("\n".join(lines), expected_nodes=nodes)

    whole = "\n".join(json.dumps(document(node)) for node in nodes)
    assert snapshot == parse_snapshots(whole, expected_nodes=nodes)


def test_a_whole_rack_of_nodes_is_read_from_one_step() -> None:
    nodes = [f"node{number}" for number in range(1, 73)]
    shm = document("")["shm"][0]
    files = [dict(shm, name=f"moe_shared_l{n}_lr0_all", inode=n) for n in range(232)]
    lines = [
        f"{task:>2}: {line}"
        for task, node in enumerate(nodes)
        for line in in_parts(node, size=440, shm=files)
    ]
    random.Random(7).shuffle(lines)  # noqa: S311 - an order that can be repeated, no secret

    began_s = time.monotonic()
    snapshot = parse_snapshots("\n".join(lines), expected_nodes=nodes)

    assert time.monotonic() - began_s < 5  # a tenth of that is usual
    assert list(snapshot.nodes) == nodes
    assert {len(node.shm or ()) for node in snapshot.nodes.values()} == {232}
    assert {gpu.uuid for node in snapshot.nodes.values() for gpu in node.gpus or ()} == {
        f"GPU-{node}" for node in nodes
    }


def test_a_snapshot_of_before_numa_and_devices_is_still_read() -> None:
    old = document("node1")
    for name in ("numa", "gpu_devices", "device_holders"):
        del old[name]

    node = Snapshot.from_json([old]).nodes["node1"]

    assert (node.numa, node.gpu_devices, node.device_holders) == (None, None, None)


def test_a_missing_part_is_noticed_where_the_rest_reads_well() -> None:
    lines = in_parts("node1", size=100, boot_id="b" * 400)

    with pytest.raises(ProbeFailed, match="node1 sent"):
        parse_snapshots("\n".join([lines[0], *lines[2:]]), expected_nodes=["node1"])
    with pytest.raises(ProbeFailed, match="node1 sent"):
        parse_snapshots("\n".join(lines[:2] + lines[3:]), expected_nodes=["node1"])


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([json.dumps(document("node1"))], "node2 gave no answer"),
        ([json.dumps(document("node1")), '{"node": "node2", "gpus": [{'], "node2 sent a broken"),
        ([json.dumps(document(f"node{n}")) for n in (1, 2, 2)], "node2 answered twice"),
        ([json.dumps(document(f"node{n}")) for n in (1, 2, 3)], "node3 was not asked"),
        ([json.dumps(document("node1")), *in_parts("node2")[:-1]], "node2 sent"),
        ([json.dumps(document("node1")), *in_parts("node2")[:2] * 2], "node2 sent 4 of"),
        (["Traceback (most recent call last):"], "node1 gave no answer; node2 gave no answer"),
    ],
    ids=["silent", "broken", "twice", "unasked", "part missing", "part twice", "nothing"],
)
def test_a_node_without_one_whole_answer_is_named(lines: list[str], words: str) -> None:
    with pytest.raises(ProbeFailed, match=words) as caught:
        parse_snapshots("\n".join(lines), expected_nodes=["node1", "node2"])

    assert isinstance(caught.value, InfraError)


def test_another_schema_is_the_suites_own_fault() -> None:
    text = json.dumps(document("node1", schema=2))

    with pytest.raises(HarnessError, match="schema 2"):
        parse_snapshots(text, expected_nodes=["node1"])


def test_a_document_that_does_not_fit_is_the_suites_own_fault() -> None:
    text = json.dumps(document("node1", uid="root"))

    with pytest.raises(HarnessError, match=r"node1 does not fit(.|\n)*uid"):
        parse_snapshots(text, expected_nodes=["node1"])


def test_unreadable_stays_apart_from_absent() -> None:
    reason = {"what": "gpus", "detail": "cannot run nvidia-smi: No such file or directory"}
    silent = document("node1", gpus=None, errors=[reason])
    del silent["listeners"]
    bare = document("node2", gpus=[], listeners=[])
    text = f"{json.dumps(silent)}\n{json.dumps(bare)}"

    nodes = parse_snapshots(text, expected_nodes=["node1", "node2"]).nodes

    assert (nodes["node1"].gpus, nodes["node1"].listeners) == (None, None)
    assert (nodes["node2"].gpus, nodes["node2"].listeners) == ((), ())
    assert "cannot run nvidia-smi" in nodes["node1"].why_unreadable("gpus")


def test_the_run_directory_gives_back_the_same_snapshot() -> None:
    text = "\n".join(json.dumps(document(node)) for node in ("node1", "node2"))
    snapshot = parse_snapshots(text, expected_nodes=["node1", "node2"])

    assert Snapshot.from_json(json.loads(json.dumps(snapshot.to_json()))) == snapshot


def test_one_emulated_gpu_makes_the_run_emulated() -> None:
    real, emulated = document("node1"), document("node2")
    emulated["gpus"][0]["name"] = "NVIDIA GB200 (emulated)"
    text = f"{json.dumps(real)}\n{json.dumps(emulated)}"

    snapshot = parse_snapshots(text, expected_nodes=["node1", "node2"])

    assert snapshot.emulated
    assert not snapshot.only(["node1"]).emulated
