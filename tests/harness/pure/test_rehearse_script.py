"""The script that every rank of a rehearsal runs, on this machine, with a model made here."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.dynamo.launch import SCRIPTS_SOURCE
from harness.dynamo.rehearsal import RankAnswer, parse_rehearsal
from harness.settings import PROJECT_ROOT
from harness.slurm.srun import StepSpec

SCRIPT = SCRIPTS_SOURCE / "rehearse.py"
SPEC = StepSpec("rehearsal", "7", ("node1",), 2, ())
NO_CUDA = {"/etc/environment": Path("/none"), "/usr/local/cuda/version.json": Path("/none")}
EXPERT = "model.layers.{}.mlp.experts.{}.up_proj.weight"


def shard(path: Path, **sizes: int) -> None:
    """Write a safetensors file with tensors of these sizes."""
    header, end = {}, 0
    for name, size in sizes.items():
        header[name] = {"dtype": "U8", "shape": [size], "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(end))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model of three layers, two shards, and a further layer that predicts tokens."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text('{"num_hidden_layers": 3}')
    (folder / "tokenizer.json").write_text("{}")
    first = {EXPERT.format(1, 0): 100, "model.layers.1.mlp.shared_experts.up_proj.weight": 1000}
    second = {EXPERT.format(2, 0): 30, EXPERT.format(3, 0): 5000}
    shard(folder / "a.safetensors", **first)
    shard(folder / "b.safetensors", **second)
    names = {**dict.fromkeys(first, "a.safetensors"), **dict.fromkeys(second, "b.safetensors")}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    return folder


@pytest.fixture(autouse=True)
def _smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "nvidia-smi").write_text("#!/bin/sh\necho GPU-a\necho GPU-b\n")
    (folder / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def answer(
    model: str | Path,
    *options: str,
    rank: int = 0,
    ranks: int = 1,
    variables: Mapping[str, str] | None = None,
    instead: Mapping[str, Path] | None = None,
) -> RankAnswer:
    """Return what a rank of one node says; ``instead`` has files to read at another place."""
    text = SCRIPT.read_text(encoding="utf-8")
    for place, other in (instead or {}).items():
        assert text.count(f'"{place}"') == 1
        text = text.replace(f'"{place}"', f'"{other}"')
    places = {"SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank), "SLURM_NTASKS": str(ranks)}
    pmix = {"PMIX_RANK": str(rank), "PMIX_NAMESPACE": "slurm.pmix.7.0", "PMIX_SERVER_URI4": "tcp"}
    shape = ("--ranks-per-node", str(ranks), "--model", str(model))
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-", *shape, *options],
        capture_output=True,
        check=True,
        input=text,
        env={
            "PATH": os.environ["PATH"],
            "SLURMD_NODENAME": "node1",
            **places,
            **pmix,
            **(variables or {}),
        },
        text=True,
        timeout=30,
    )
    labelled = "".join(f"{rank}: {line}\n" for line in done.stdout.splitlines())
    rehearsal = parse_rehearsal(SPEC, labelled)
    assert rehearsal.broken == ()
    [found] = rehearsal.answers
    return found


def test_place_in_the_world_is_told(model: Path) -> None:
    seen = answer(model, rank=1, ranks=2)

    assert (seen.host, seen.rank, seen.pmix_rank, seen.tasks) == ("node1", 1, 1, 2)
    assert seen.pmix_namespace == "slurm.pmix.7.0"
    assert seen.paths is None


def test_pmix_without_its_folder_in_the_container_is_none(model: Path) -> None:
    """The variables arrive by themselves, the folder only through enroot's hook."""
    seen = answer(model, variables={"PMIX_SERVER_TMPDIR": "/no/such/folder"})

    assert seen.pmix_namespace is None


def test_planned_and_injected_variables_are_told_without_passwords(model: Path) -> None:
    proxies = {"https_proxy": "http://me:s/e@cret@proxy:3128", "ALL_PROXY": "me:secret@proxy"}
    variables = {"MODEL_PATH": "m", "UCX_TLS": "tcp", **proxies, "no_proxy": "10.0.0.1," * 30}

    seen = answer(model, "--variables", "MODEL_PATH,ENGINE_CONFIG", variables=variables)

    assert seen.variables == {"MODEL_PATH": "m", "ENGINE_CONFIG": None}
    assert seen.injected == {
        "ALL_PROXY": "...@proxy",
        "UCX_TLS": "tcp",
        "https_proxy": "http://...@proxy:3128",
        "no_proxy": "10.0.0.1," * 30,
    }


def test_a_planned_transport_variable_is_not_injected(model: Path) -> None:
    seen = answer(model, "--variables", "UCX_TLS", variables={"UCX_TLS": "rc,cuda_ipc"})

    assert not seen.injected


def test_the_first_rank_looks_at_paths_and_gpus(model: Path) -> None:
    seen = answer(model, "--paths", f"r:{PROJECT_ROOT},x:{SCRIPT},r:/no/such/file")

    assert seen.paths is not None
    assert seen.paths[str(PROJECT_ROOT)] == ""
    assert seen.paths["/no/such/file"] == "No such file or directory"
    assert seen.gpus == ("GPU-a", "GPU-b")


def test_a_whole_model_has_no_problems_and_its_experts_are_counted(model: Path) -> None:
    seen = answer(model)

    assert seen.model_problems == ()
    assert (seen.shards, seen.expert_bytes) == (2, 130)


def test_ranks_of_a_node_share_the_files(model: Path) -> None:
    assert [answer(model, rank=rank, ranks=2).expert_bytes for rank in (0, 1)] == [100, 30]


def test_a_missing_shard_is_named(model: Path) -> None:
    (model / "b.safetensors").unlink()

    assert answer(model).model_problems == ("b.safetensors: No such file or directory",)


def test_a_shard_that_is_cut_short_is_named_with_both_sizes(model: Path) -> None:
    whole = (model / "b.safetensors").read_bytes()
    (model / "b.safetensors").write_bytes(whole[:-10])

    assert answer(model).model_problems == (
        f"b.safetensors: is cut short: {len(whole) - 10} bytes of {len(whole)}",
    )


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs.github.com/spec/v1\n"])
def test_what_is_no_safetensors_file_is_named(model: Path, content: bytes) -> None:
    (model / "b.safetensors").write_bytes(content)

    [told] = answer(model).model_problems

    assert told.startswith("b.safetensors: ")


def test_a_folder_without_weights_is_told(model: Path) -> None:
    for path in model.glob("*.safetensors*"):
        path.unlink()

    assert "has neither" in answer(model).model_problems[0]


def test_a_folder_without_a_tokenizer_is_told_by_one_rank_of_a_node(model: Path) -> None:
    (model / "tokenizer.json").rename(model / "tokenizer.json.away")
    (model / "vocab.json").write_text("{}")

    told, others = (answer(model, rank=rank, ranks=2).model_problems for rank in (0, 1))

    looked_for = "tokenizer.json, tokenizer.model, tiktoken.model, *.tiktoken, vocab.json with"
    assert told == (f"{model} has no tokenizer that can be read: none of {looked_for} merges.txt",)
    assert others == ()


@pytest.mark.parametrize(
    "files",
    [["tokenizer.model"], ["tiktoken.model"], ["a.tiktoken"], ["vocab.json", "merges.txt"]],
    ids=" ".join,
)
def test_a_tokenizer_of_any_kind_is_enough(model: Path, files: list[str]) -> None:
    (model / "tokenizer.json").unlink()
    for name in files:
        (model / name).write_text("x")

    assert answer(model).model_problems == ()


def test_a_tokenizer_that_leads_nowhere_is_none(model: Path) -> None:
    """A file of the Hugging Face cache is a link; its blob may be gone."""
    (model / "tokenizer.json").unlink()
    (model / "tokenizer.json").symlink_to(model / "blob")

    assert "has no tokenizer" in answer(model).model_problems[0]


def test_a_model_of_the_cache_is_found_by_its_name(tmp_path: Path, model: Path) -> None:
    repository = tmp_path / "hf" / "hub" / "models--nvidia--R1"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc")
    (repository / "snapshots").mkdir()
    (repository / "snapshots" / "abc").symlink_to(model)

    seen = answer("nvidia/R1", variables={"HF_HOME": str(tmp_path / "hf")})

    assert seen.model_folder == str(repository / "snapshots" / "abc")
    assert seen.shards == 2


def test_a_model_that_is_not_in_the_cache_is_a_problem_only_offline(tmp_path: Path) -> None:
    home = {"HF_HOME": str(tmp_path)}
    offline = {**home, "HF_HUB_OFFLINE": "1"}

    assert answer("nvidia/R1", variables=home).model_problems == ()
    [told] = answer("nvidia/R1", variables=offline).model_problems

    assert "models--nvidia--R1/refs/main: No such file" in told


def test_the_versions_of_the_images_packages_are_read_from_its_files(
    model: Path, tmp_path: Path
) -> None:
    packages = tmp_path / "venv" / "lib" / "python3.12" / "site-packages"
    for name in ("ai_dynamo-1.4.2", "ai_dynamo_runtime-9", "tensorrt_llm-1.3.0rc22"):
        (packages / f"{name}.dist-info").mkdir(parents=True)
    image = {"VIRTUAL_ENV": str(tmp_path / "venv")}

    assert answer(model, variables=image, instead=NO_CUDA).versions == {
        "ai_dynamo": "1.4.2",
        "tensorrt_llm": "1.3.0rc22",
    }


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ("CUDA_VERSION=13.0.2.006\n", "13.0.2.006"),
        ('export CUDA_VERSION="13.0.2"\n', "13.0.2"),
        ("PATH=/bin\n", "12.9.1"),
    ],
)
def test_cuda_is_told_by_the_image_and_not_by_the_hosts_environment(
    model: Path, tmp_path: Path, variables: str, told: str
) -> None:
    environment, versions = tmp_path / "environment", tmp_path / "version.json"
    environment.write_text(variables)
    versions.write_text('{"cuda": {"name": "CUDA SDK", "version": "12.9.1"}}')

    files = {"/etc/environment": environment, "/usr/local/cuda/version.json": versions}
    seen = answer(model, variables={"CUDA_VERSION": "11.8.0"}, instead=files)

    assert (seen.versions or {})["cuda"] == told


def test_an_image_that_tells_no_cuda_has_none(model: Path) -> None:
    seen = answer(model, variables={"CUDA_VERSION": "11.8.0"}, instead=NO_CUDA)

    assert "cuda" not in (seen.versions or {})
