"""What exactly was tested, for the head of every report: from files and facts, not from wishes."""

from __future__ import annotations

import hashlib
import shlex
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path

from harness.commit import suite_commit
from harness.dynamo.launch import all_mounts
from harness.dynamo.plan import Plan
from harness.mounts import host_path
from harness.nodes.snapshot import Snapshot
from harness.nodes.software import software_facts
from harness.settings import Settings
from harness.slurm.nodelist import fold

UNKNOWN = "unknown"


def run_facts(
    settings: Settings,
    plan: Plan,
    *,
    snapshot: Snapshot | None,
    condition: Snapshot | None,
    engine_versions: Iterable[str],
    cluster: Mapping[str, str],
) -> dict[str, str]:
    """Return name and value of each fact, in the order in which a reader asks for them.

    ``snapshot`` is any snapshot of the nodes, ``condition`` the one with their condition,
    ``engine_versions`` is what the engines called themselves, ``cluster`` what Slurm says of
    itself. What nobody tells is said to be unknown.
    """
    job = plan.deployments[0].context.job_id
    return {
        "engine": ", ".join(sorted(set(engine_versions))) or "none seen",
        **_gpus(snapshot),
        "image": settings.image,
        "image_digest": image_digest(settings.image),
        "dynamo_release": settings.dynamo_release,
        "model": settings.model_path,
        "served_model_name": settings.model_name,
        **_engine_configs(settings, plan),
        **_workers(plan),
        **{name: told or UNKNOWN for name, told in software_facts(condition).items()},
        **{name: told or UNKNOWN for name, told in cluster.items()},
        "nodes": f"{fold(plan.nodes)} ({len(plan.nodes)})",
        "job": job,
        "suite_commit": suite_commit(),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
    }


def image_digest(image: str) -> str:
    """Return the digest in a registry's name; of a file its size and time, for it is too large.

    A squashfs image of 20 GB takes a minute to hash: size and time tell two of them apart.
    """
    _, found, digest = image.partition("@")
    if found:
        return digest
    try:
        stat = Path(image).stat()
    except OSError:
        return UNKNOWN
    written = datetime.fromtimestamp(stat.st_mtime, timezone.utc)
    return f"none known; {stat.st_size} bytes, written {written:%Y-%m-%d %H:%M:%S} UTC"


def _workers(plan: Plan) -> dict[str, str]:
    """Return every replica of each deployment with its nodes and ranks."""
    return {
        f"workers_{each.name}": "; ".join(
            f"{worker.name} on {fold(worker.nodes)} ({worker.world_size} ranks)"
            for worker in each.placement.workers
        )
        for each in plan.deployments
    }


def _gpus(snapshot: Snapshot | None) -> Mapping[str, str]:
    gpus = [gpu for node in snapshot.nodes.values() for gpu in node.gpus or ()] if snapshot else []
    names = sorted({gpu.name for gpu in gpus})
    drivers = sorted({gpu.driver for gpu in gpus})
    return {
        "gpus": f"{len(gpus)} x {', '.join(names)}" if gpus else "none seen",
        "driver": ", ".join(drivers),
    }


def engine_config_files(settings: Settings, plan: Plan) -> dict[str, Path]:
    """Return each engine config of the plan, by its path inside the container, as a file here."""
    mounts = all_mounts(settings)
    found = {path: host_path(path, mounts) for path in sorted(plan.engine_configs)}
    return {path: file for path, file in found.items() if file is not None and file.is_file()}


def _engine_configs(settings: Settings, plan: Plan) -> dict[str, str]:
    """Return each engine config with the start of its SHA-256, so that runs can be compared."""
    facts = {}
    for path, file in engine_config_files(settings, plan).items():
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        facts[f"engine_config_{file.parent.name}_{file.stem}"] = f"{path} sha256:{digest[:16]}"
    return facts
