"""The rehearsal: what one rank of a worker finds in its container, as JSON on standard output.

Every rank of a step with a worker's own srun flags runs it once, before a worker is loaded::

    srun --mpi=pmix --container-image=... python3 -I -S /qualify/scripts/rehearse.py \
        --ranks-per-node 4 --variables MODEL_PATH,ENGINE_CONFIG --paths r:/mnt/agg.yaml --model M

It needs the image's Python (3.10 or newer, as Dynamo does) and nothing else, changes nothing, and
ends with 0 whatever it finds. The first rank of a node looks at paths and GPUs; the ranks of a node
share the model's files among them. Long answers come in parts, as the probe's do.
"""
# pathlib takes as long to import as all the rest, and every rank pays for it.
# ruff: noqa: PTH111, PTH112, PTH113, PTH116, PTH118, PTH119, PTH123, PTH202, PTH207, PTH208

from __future__ import annotations

import argparse
import glob
import json
import os
import re
import struct
import subprocess
from typing import Any

LINE_BYTES = 1000
PART_CHARACTERS = 440  # JSON inside JSON at most doubles in length; the rest is a part's frame
NVIDIA_SMI_S = 10.0
INDEX = "model.safetensors.index.json"
OTHER_WEIGHTS = ("*.bin", "*.pt", "*.engine")  # of these nothing more is known
TOKENIZERS = (  # each alone is enough; by the files that TensorRT-LLM and Dynamo load
    ("tokenizer.json",),
    ("tokenizer.model",),
    ("tiktoken.model",),
    ("*.tiktoken",),
    ("vocab.json", "merges.txt"),
)
IMEX = "/dev/nvidia-caps-imex-channels"
PACKAGES = ("ai_dynamo", "tensorrt_llm")
PYTHONS = ("/usr", "/usr/local", "/opt/*", "/opt/*/*")
# NVIDIA's base images set CUDA_VERSION, and an image's variables lie in this file (enroot's image
# format). The environment is not asked: Pyxis passes the host's on, which may have a CUDA module.
IMAGE_VARIABLES = "/etc/environment"
CUDA_VERSION = re.compile(r'^(?:export )?CUDA_VERSION="?([^"\s]+)', re.MULTILINE)
CUDA = "/usr/local/cuda/version.json"
INJECTED = re.compile(r"^(UCX|NCCL|OMPI|NVSHMEM|NIXL)_|^(https?|all|no)_proxy$", re.IGNORECASE)
PASSWORD = re.compile(r"^(\w+://)?.*@")
EXPERT = re.compile(r"\blayers\.(\d+)\..*\bexperts\.\d+\.")
MODES = {"r": os.R_OK, "w": os.W_OK, "x": os.X_OK}

Document = dict[str, Any]


def number(name: str) -> int | None:
    """Return a variable's number; None if it is not set to one."""
    value = os.environ.get(name, "")
    return int(value) if value.isdigit() else None


def launch() -> Document:
    """Return what Slurm and PMIx told this rank of its place in the world."""
    server = any(name.startswith("PMIX_SERVER_URI") for name in os.environ)
    folder = os.environ.get("PMIX_SERVER_TMPDIR", "/")  # the variables may arrive without it
    return {
        "host": os.environ.get("SLURMD_NODENAME") or os.uname().nodename,
        "rank": number("SLURM_PROCID"),
        "tasks": number("SLURM_STEP_NUM_TASKS") or number("SLURM_NTASKS"),
        "pmix_rank": number("PMIX_RANK"),
        "pmix_namespace": os.environ.get("PMIX_NAMESPACE")
        if server and os.path.isdir(folder)
        else None,
    }


def variables(names: list[str]) -> Document:
    """Return the planned variables as they are here, and what else would steer the transport."""
    others = sorted(name for name in os.environ if INJECTED.search(name) and name not in names)
    injected = {name: PASSWORD.sub(r"\1...@", os.environ[name]) for name in others}
    return {"variables": {name: os.environ.get(name) for name in names}, "injected": injected}


def versions() -> Document:
    """Return the versions of the image's packages and of CUDA, by its files; nothing is run."""
    roots = [root for root in (os.environ.get("VIRTUAL_ENV"), *PYTHONS) if root]
    found = {}
    for name in PACKAGES:
        places = (f"{root}/lib/python3*/*-packages/{name}-*.dist-info" for root in roots)
        infos = [info for place in places for info in glob.glob(place)]
        if infos:
            found[name] = os.path.basename(infos[0])[len(name) + 1 : -len(".dist-info")]
    cuda = _cuda()
    return {"versions": dict(found, cuda=cuda) if cuda else found}


def _cuda() -> str:
    try:
        with open(IMAGE_VARIABLES, encoding="utf-8", errors="replace") as file:
            told = CUDA_VERSION.search(file.read())
    except OSError:
        told = None
    if told:
        return told.group(1)
    try:
        return str(read_json(CUDA)["cuda"]["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def why_not(path: str, mode: str) -> str:
    """Return why a path cannot be used as planned; empty if it can."""
    try:
        os.stat(path)
    except OSError as problem:
        return problem.strerror or str(problem)
    return "" if os.access(path, MODES[mode]) else "Permission denied"


def gpus() -> Document:
    """Return the UUIDs that nvidia-smi shows in the container, or what it said instead.

    A container may be given GPUs without nvidia-smi: then their devices count.
    """
    devices = [name for name in os.listdir("/dev") if re.fullmatch(r"nvidia\d+", name)]
    argv = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
    try:
        done = subprocess.run(
            argv,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=NVIDIA_SMI_S,
        )
    except FileNotFoundError:
        return {"gpus": None, "gpu_devices": len(devices)}
    except (OSError, subprocess.TimeoutExpired) as problem:
        return {"gpus": None, "gpus_said": str(problem)}
    words = done.stdout.decode("utf-8", "replace").split("\n")
    if done.returncode != 0:
        return {"gpus": None, "gpus_said": words[0]}
    return {"gpus": [word.strip() for word in words if word.strip()]}


def model_folder(model: str) -> tuple[str | None, str]:
    """Return the folder of a model's files, or why there is none; empty: it is downloaded later."""
    if model.startswith(("/", ".")):
        return (model, "") if os.path.isdir(model) else (None, f"{model} is no folder")
    home = os.environ.get("HF_HOME") or os.path.expanduser("~/.cache/huggingface")
    hub = os.environ.get("HF_HUB_CACHE") or os.path.join(home, "hub")
    repository = os.path.join(hub, "models--" + model.replace("/", "--"))
    try:
        with open(os.path.join(repository, "refs", "main")) as file:
            folder = os.path.join(repository, "snapshots", file.read().strip())
        os.stat(folder)
    except OSError as problem:
        offline = os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0")
        return None, f"{problem.filename}: {problem.strerror}" if offline else ""
    return folder, ""


def read_json(path: str) -> Any:
    """Return a JSON file's content."""
    with open(path, "rb") as file:
        return json.loads(file.read().decode("utf-8"))


def shards_of(folder: str) -> list[str]:
    """Return the names of the weights' files: by the index, where there is one."""
    if os.path.lexists(os.path.join(folder, INDEX)):
        return sorted(set(read_json(os.path.join(folder, INDEX))["weight_map"].values()))
    found = glob.glob(os.path.join(folder, "*.safetensors"))
    return sorted(os.path.basename(path) for path in found)


def read_shard(path: str, layers: int) -> int:
    """Return the bytes of routed experts in a shard; ValueError if the file is cut short.

    A safetensors file is the length of a header, the header (JSON: where each tensor lies), and the
    tensors.
    """
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        length = struct.unpack("<Q", file.read(8).ljust(8, b"\0"))[0]
        if length > size:
            raise ValueError("is no safetensors file, or is cut short")
        tensors = json.loads(file.read(length).decode("utf-8"))
    experts, end = 0, 0
    for name, tensor in tensors.items():
        if name == "__metadata__":
            continue
        first, last = tensor["data_offsets"]
        end = max(end, last)
        layer = EXPERT.search(name)
        if layer and int(layer.group(1)) < layers:  # beyond them: for predicting several tokens
            experts += last - first
    if size < 8 + length + end:
        raise ValueError(f"is cut short: {size} bytes of {8 + length + end}")
    return experts


def why_no_tokenizer(folder: str) -> list[str]:
    """Return that a model's folder has none of the tokenizers' files; nothing if it has one."""

    def readable(pattern: str) -> bool:
        found = glob.glob(os.path.join(glob.escape(folder), pattern))
        return any(os.path.isfile(path) and os.access(path, os.R_OK) for path in found)

    if any(all(readable(name) for name in names) for names in TOKENIZERS):
        return []
    looked_for = [" with ".join(names) for names in TOKENIZERS]
    return [f"{folder} has no tokenizer that can be read: none of {', '.join(looked_for)}"]


def look_at_model(model: str, share: int, shares: int) -> Document:
    """Look at this rank's share of a model's files; the tokenizer is the first share's."""
    folder, why = model_folder(model)
    if folder is None:
        return {"model_folder": None, "model_problems": [why] if why else []}
    experts = 0
    problems: list[str] = []
    answer: Document = {"model_folder": folder, "model_problems": problems}
    try:
        layers = int(read_json(os.path.join(folder, "config.json")).get("num_hidden_layers") or 0)
        shards = shards_of(folder)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        problems.append(f"{type(problem).__name__}: {problem}")
        return answer
    if not shards and not any(glob.glob(os.path.join(folder, other)) for other in OTHER_WEIGHTS):
        problems.append(f"{folder} has neither {INDEX} nor *.safetensors")
    if share == 0:
        problems += why_no_tokenizer(folder)
    for name in shards[share::shares]:
        try:
            experts += read_shard(os.path.join(folder, name), layers)
        except OSError as problem:
            problems.append(f"{name}: {problem.strerror}")
        except (ValueError, KeyError, TypeError, struct.error) as problem:
            problems.append(f"{name}: {problem}")
    return dict(answer, shards=len(shards), expert_bytes=experts)


def rehearse(options: argparse.Namespace) -> Document:
    """Return the whole answer of this rank."""
    share, shares = number("SLURM_LOCALID") or 0, max(1, options.ranks_per_node)
    document: Document = {"node": f"rank {os.environ.get('SLURM_PROCID', '?')}"}
    document.update(launch())
    document.update(variables(options.variables.split(",")))
    document.update(look_at_model(options.model, share, shares))
    if share == 0:
        wanted = [word.split(":", 1) for word in options.paths.split(",") if word]
        document["paths"] = {path: why_not(path, mode) for mode, path in wanted}
        document["imex_channels"] = sorted(os.listdir(IMEX)) if os.path.isdir(IMEX) else []
        document.update(gpus())
        document.update(versions())
    return document


def lines_of(document: Document) -> list[str]:
    """Return a document as one JSON line, or as parts that are each shorter than LINE_BYTES."""
    text = json.dumps(document, separators=(",", ":"))
    if len(text) < LINE_BYTES:
        return [text]
    pieces = [text[at : at + PART_CHARACTERS] for at in range(0, len(text), PART_CHARACTERS)]
    frame = {"node": document["node"], "parts": len(pieces)}
    return [json.dumps(dict(frame, part=at, text=piece)) for at, piece in enumerate(pieces)]


def main() -> None:
    """Read the options, print the lines."""
    parser = argparse.ArgumentParser(description="Report what a rank finds in its container.")
    parser.add_argument("--ranks-per-node", type=int, required=True)
    parser.add_argument("--variables", default="", help="names of the planned variables")
    parser.add_argument("--paths", default="", help="MODE:PATH,... with r, w or x for MODE")
    parser.add_argument("--model", required=True, help="folder, or name in the Hugging Face cache")
    print("\n".join(lines_of(rehearse(parser.parse_args()))))


if __name__ == "__main__":
    main()
