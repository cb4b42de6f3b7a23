"""`status`: the whole testbed at one moment, as plain values and as text."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import asdict
from typing import Any

from testbed.cluster import slurm
from testbed.cluster.hosts import SYSTEM_PYTHON, run_on
from testbed.cluster.mounts import GPU_FOLDER
from testbed.cluster.paths import StateFolder
from testbed.cluster.tasks import tasks_of
from testbed.cluster.tree import NodeTree, Tree, read_tree
from testbed.gpu import SMI_SCRIPT

SMI_DEADLINE_S = 10
GPU_QUERY = "--query-gpu=index,uuid,name,memory.total,memory.used"


def status(state: StateFolder) -> dict[str, Any]:
    """Everything there is to tell, JSON-able; README.md of the testbed describes the fields."""
    tree = read_tree(state)
    facts: dict[str, Any] = {
        "state_folder": str(state.root),
        "up": tree is not None,
        "gpus_emulated": tree is None or not tree.record.shape.real_gpus,
        "engine_emulated": True,
    }
    if tree is None:
        return facts
    login = tree.anchor.pid
    states = slurm.node_states(login)
    tasks = [asdict(task) for task in tasks_of(tree)]
    facts |= {
        "problems": tree.problems() or slurm.node_problems(login),
        "up_since": tree.record.since,
        "shape": tree.record.shape.as_dict(),
        "anchor": {"pid": tree.anchor.pid, "start": tree.anchor.start},
        "munged_pid": tree.munged.pid if tree.munged else None,
        "images": sorted(f"/srv/images/{path.name}" for path in state.images.glob("*.sqsh")),
        "nodes": [
            _node(tree, name, state=states.get(name, "unknown")) for name in tree.record.shape.names
        ],
        "jobs": [asdict(job) for job in slurm.jobs(login)],
        "steps": [
            {**asdict(step), "tasks": [t for t in tasks if t["step_id"] == step.step_id]}
            for step in slurm.steps(login)
        ],
    }
    return facts


def _node(tree: Tree, name: str, *, state: str) -> dict[str, Any]:
    node = tree.nodes.get(name)
    return {
        "name": name,
        "address": tree.record.shape.address(name),
        "state": state,
        "init_pid": node.init.pid if node else None,
        "daemons": {daemon: p.pid for daemon, p in node.daemons.items()} if node else {},
        "gpus": _gpus_of(node, real=tree.record.shape.real_gpus) if node else [],
    }


def _gpus_of(node: NodeTree, *, real: bool) -> list[dict[str, Any]]:
    """Return the node's GPUs and their use, by nvidia-smi; empty when that does not answer."""
    query = [GPU_QUERY, "--format=csv,noheader,nounits"]
    try:
        done = _real_smi(node, query) if real else _emulated_smi(node, query)
    except subprocess.TimeoutExpired:
        return []
    rows = [[field.strip() for field in line.split(",")] for line in done.stdout.splitlines()]
    return [
        {
            "index": int(index),
            "uuid": uuid,
            "name": name,
            "memory_total_mib": int(total),
            "memory_used_mib": int(used),
        }
        for index, uuid, name, total, used in (row for row in rows if len(row) == 5)
    ]


def _real_smi(node: NodeTree, query: list[str]) -> subprocess.CompletedProcess[str]:
    return run_on(node.init.pid, ["nvidia-smi", *query], timeout_s=SMI_DEADLINE_S)


def _emulated_smi(node: NodeTree, query: list[str]) -> subprocess.CompletedProcess[str]:
    folder = f"/proc/{node.init.pid}/root{GPU_FOLDER}"
    return subprocess.run(
        [SYSTEM_PYTHON, "-I", "-S", str(SMI_SCRIPT), *query],
        env={**os.environ, "EMULATED_GPU_FOLDER": folder},
        capture_output=True,
        text=True,
        timeout=SMI_DEADLINE_S,
        check=False,
    )


def as_text(facts: dict[str, Any]) -> str:
    """Return the facts for a person to read."""
    if not facts["up"]:
        return f"testbed: down (state folder {facts['state_folder']})"
    minutes = (time.time() - facts["up_since"]) / 60
    lines = [
        f"testbed: up for {minutes:.0f} min ({_emulated(facts)}): {facts['state_folder']}",
        *(f"  problem: {problem}" for problem in facts["problems"]),
        f"  images: {', '.join(facts['images']) or 'none'}",
        *(_node_line(node) for node in facts["nodes"]),
        *(f"  job {j['job_id']} {j['name']} {j['state']} {j['nodes']}" for j in facts["jobs"]),
    ]
    for step in facts["steps"]:
        lines.append(f"  step {step['step_id']} {step['name']} on {step['nodes']}")
        lines += [
            f"    rank {t['rank']} {t['node']} pid {t['pid']} ({t['inner_pid']} there)"
            f" {t['command'][:60]}"
            for t in step["tasks"]
        ]
    return "\n".join(lines)


def _emulated(facts: dict[str, Any]) -> str:
    return "GPUs and engine emulated" if facts["gpus_emulated"] else "GPUs real, engine emulated"


def _node_line(node: dict[str, Any]) -> str:
    used = "/".join(str(gpu["memory_used_mib"]) for gpu in node["gpus"])
    daemons = ", ".join(f"{name} {pid}" for name, pid in node["daemons"].items())
    return (
        f"  {node['name']} {node['address']} {node['state']}: {daemons}; GPU MiB used {used or '-'}"
    )
