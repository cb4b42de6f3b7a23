"""The LLM in the image's own Python, with one rank in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tensorrt_llm._emulation.gpu import GpuMemory, holdings, visible_gpus

from testbed.cluster.paths import cache_folder
from testbed.image import ensure_model
from testbed.image.build import ENGINE, ensure_environment, python_of

pytestmark = [pytest.mark.testbed, pytest.mark.slow]

BEGIN = """
import asyncio, json, os, signal, sys
from tensorrt_llm import LLM, SamplingParams
from tensorrt_llm.executor.utils import RequestError
folder, arguments = sys.argv[1], json.loads(sys.argv[2])
llm = LLM(model=folder, **arguments)
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def python() -> Path:
    """The Python of the image's environment."""
    return python_of(ensure_environment(cache_folder(), log=print))


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model's files, with so few layers that one GPU has room for them."""
    shared = tmp_path_factory.mktemp("shared")
    ensure_model(shared / "hf")
    (source,) = (shared / "models").iterdir()
    small = shared / "small"
    small.mkdir()
    for file in source.iterdir():
        (small / file.name).write_bytes(file.read_bytes())
    config = json.loads((small / "config.json").read_text())
    (small / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 8}))
    return small


@pytest.fixture
def run(gpus: Path, python: Path, model: Path) -> Run:
    """Make an LLM and run lines of Python with it; the node has two GPUs."""

    def go(script: str, **arguments: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(python), "-c", BEGIN + script, str(model), json.dumps(arguments)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(ENGINE / "packages"),
                "EMULATED_GPU_FOLDER": str(gpus),
                "EMULATED_TRTLLM_LOAD_S": "0.1",
                "EMULATED_TRTLLM_INTER_TOKEN_MS": "1",
            },
        )

    return go


def told(done: subprocess.CompletedProcess[str]) -> Any:
    """Return what the script printed last, as JSON."""
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])


def test_an_answer_is_the_same_for_everybody(run: Run) -> None:
    script = """
answers = llm.generate(["Tell me a story."] * 3, SamplingParams(max_tokens=40))
again = llm.generate("Tell me a story.", SamplingParams(max_tokens=40, seed=5))
llm.shutdown()
print(json.dumps([answer.outputs[0].text for answer in [*answers, again]]))
"""

    texts = told(run(script))

    assert len(set(texts)) == 1
    assert texts == told(run(script))


def test_memory_is_held_while_the_engine_lives(run: Run, gpus: Path) -> None:
    script = """
from pathlib import Path
from tensorrt_llm._emulation.gpu import FOLDER, holdings
held = [h.memory_mib for h in holdings(FOLDER / "holders")]
capacity = llm.get_kv_cache_capacity()
llm.shutdown()
print(json.dumps({"held": sum(held), "left": len(holdings(FOLDER / "holders")), **capacity}))
"""

    facts = told(run(script, kv_cache_config={"free_gpu_memory_fraction": 0.5}))

    assert facts["held"] > visible_gpus(gpus)[0].memory_total_mib / 2
    assert facts["left"] == 0
    assert facts["maxNumBlocks"] > 1000


def test_a_busy_gpu_is_out_of_memory(run: Run, gpus: Path) -> None:
    memory = GpuMemory(visible_gpus(gpus)[0], gpus, gpus)
    memory.allocate(memory.gpu.memory_total_mib - 2000)

    done = run("")
    memory.release()

    assert done.returncode != 0
    assert "Failed to initialize executor on rank 0: CUDA out of memory." in done.stdout
    assert "RuntimeError: Executor worker returned error" in done.stderr
    assert holdings(gpus / "holders") == []


def test_a_lost_rank_fails_what_waits_and_the_health_check(run: Run) -> None:
    script = """
async def scene():
    endless = SamplingParams(max_tokens=5000, ignore_eos=True)
    request = llm.generate_async([5, 6, 7], endless, streaming=True)
    await anext(request)
    os.kill(llm._executor._own_rank.pid, signal.SIGKILL)
    try:
        async for _ in request:
            pass
    except RuntimeError as error:
        return str(error)
words = asyncio.run(scene())
print(json.dumps([words, llm._check_health()]))
"""

    words, healthy = told(run(script, max_seq_len=8192))

    assert "Remote MPI worker died" in words
    assert not healthy


def test_a_prompt_too_long_is_refused_and_others_are_served(run: Run) -> None:
    script = """
words = ""
try:
    llm.generate([7] * 65)
except RequestError as error:
    words = str(error)
answer = llm.generate([7] * 64, SamplingParams(max_tokens=3))
llm.shutdown()
print(json.dumps([words, len(answer.outputs[0].token_ids)]))
"""

    words, length = told(run(script, max_num_tokens=64, max_batch_size=8))

    assert "should not exceed max_num_tokens (64)" in words
    assert length == 3


def test_more_ranks_than_one_need_the_launcher(run: Run) -> None:
    done = run("", tensor_parallel_size=2, gpus_per_node=2)

    assert "start one task per GPU through trtllm-llmapi-launch" in done.stderr


def test_a_misspelt_key_ends_the_leader(run: Run) -> None:
    done = run("", tensor_paralel_size=2)

    assert done.returncode != 0
    assert "Extra inputs are not permitted" in done.stderr
