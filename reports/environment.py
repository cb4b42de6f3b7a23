"""What exactly was tested: the report's environment block, in the order in which a reader asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

UNKNOWN = "unknown"

NAMED = {
    "suite commit": "suite_commit",
    "image": "image",
    "image digest": "image_digest",
    "Dynamo": "dynamo",
    "Dynamo release (setting)": "dynamo_release",
    "TensorRT-LLM": "engine",
    "CUDA": "cuda",
    "driver": "driver",
    "CUDA of the driver": "cuda_of_driver",
    "Slurm": "slurm",
    "Pyxis": "pyxis",
    "enroot": "enroot",
    "model": "model",
    "model revision": "model_revision",
    "served model name": "served_model_name",
    "cluster": "cluster",
    "partition": "partition",
    "nodes": "nodes",
    "GPUs": "gpus",
    "job": "job",
    "command": "command",
}
"""What a reader of a qualification asks for, by the name in ``facts.json``."""

OF_DEPLOYMENTS = ("engine_config_", "workers_", "preflight_")


def block(facts: Mapping[str, Any]) -> dict[str, str]:
    """Return the rows; what nobody told is said to be unknown.

    A run that was attached to a server knows neither nodes nor images: it has its own facts alone.
    """
    told = {**_from_preflight(facts), **facts}
    if "endpoint" in facts:
        return {name: str(value) for name, value in facts.items()}
    rows = {shown: str(told.get(name) or UNKNOWN) for shown, name in NAMED.items()}
    used = set(NAMED.values())
    others = {name: str(value) for name, value in facts.items() if name not in used}
    of_deployments = {k: v for k, v in others.items() if k.startswith(OF_DEPLOYMENTS)}
    rest = {name: value for name, value in others.items() if name not in of_deployments}
    command = rows.pop("command")
    return {**rows, **of_deployments, **rest, "command to repeat it": command}


def as_properties(rows: Mapping[str, str]) -> str:
    """Return rows as Allure's ``environment.properties``."""
    lines = []
    for name, value in rows.items():
        key, text = name.replace(" ", "\\ "), value.replace("\\", "\\\\")
        lines.append(f"{key}={text}".replace("\n", " "))
    return "\n".join(lines) + "\n"


def _from_preflight(facts: Mapping[str, Any]) -> dict[str, str]:
    """Return what the rehearsal said of the image and of the model's folder, by name."""
    words = str(facts.get("preflight_paths", "")).split("; ")
    versions = dict(word.split(" ", 1) for word in words if " " in word)
    named = {"dynamo": versions.get("ai_dynamo", ""), "cuda": versions.get("cuda", "")}
    _, found, rest = str(facts.get("preflight_model", "")).partition("/snapshots/")
    named["model_revision"] = rest.partition(":")[0] if found else ""
    return {name: value for name, value in named.items() if value}
