"""The table of signatures, each row by a line as a log has it, and the lines of healthy runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.diagnosis.facts import Weight
from harness.diagnosis.log_form import Form, form_of, is_telling
from harness.diagnosis.signatures import SIGNATURES
from harness.logs import read_lines

SAID = Path(__file__).parent.parent / "data" / "slurm"
SPOKEN = {name: row for name, row in SIGNATURES.rows.items() if row.pattern}
TRT = "[11/28/2026-18:52:53] [TRT-LLM] "
DYN = "2026-11-28T18:52:53.123456Z ERROR "


def read_samples() -> dict[str, list[str]]:
    """Return the lines of each row: ``== name``, then a line each."""
    text = (SAID.parent / "signatures.txt").read_text()
    parts = (part.split("\n") for part in text.split("== ")[1:])
    return {name: [line for line in lines if line] for name, *lines in parts}


SAMPLES = read_samples()

LINES = [(name, line) for name, lines in SAMPLES.items() for line in lines]

HEALTHY = [
    "2026-11-28T18:52:53.123456Z  INFO dynamo_runtime: listening on 0.0.0.0:8000",
    "2026-11-28T18:52:53.123456Z  INFO Removing lease 0x12 from the keep-alive loop",
    f"{TRT}[RANK 0] [I] Model init total -- 21.53s",
    f"{TRT}[RANK 3] [I] [MemUsageChange] Allocated 120.11 GiB for max tokens in paged KV cache",
    f"{TRT}[RANK 0] [W] Attribute `speculative_config` is not supported, ignored",
    "INFO graceful_shutdown: Received shutdown signal; unregistering endpoints from discovery",
    "WARNING:root:worker rank12 quited",
    "srun: launching StepId=2.2 on host node1, 4 tasks: [0-3]",
    "srun: launch/slurm: _task_start: Node node1, 4 tasks started",
    "srun: kill-on-bad-exit    : 1",
    "pyxis: importing docker image: nvcr.io/nvidia/ai-dynamo/tensorrtllm-runtime:1.4.2",
    "pyxis: imported docker image: nvcr.io/nvidia/ai-dynamo/tensorrtllm-runtime:1.4.2",
    "slurmstepd: pyxis: creating container filesystem: pyxis_7.2",
    "slurmstepd: pyxis: starting container: pyxis_7.2",
    "slurmstepd: pyxis: reusing existing container filesystem",
    "slurmstepd: pyxis: completed container setup in 812 ms",
    "slurmstepd: pyxis: removing container filesystem: pyxis_7.2",
    "slurmstepd: pyxis: version v0.24.0",
    "node1:4711:4711 [0] NCCL INFO Bootstrap : Using eth0:10.77.0.1<0>",
    '{"health": "unknown", "errors": 0, "failed_requests": 0}',
    "+ exec python3 -m dynamo.trtllm --model-path /model",
]


def test_every_row_with_a_pattern_has_a_sample() -> None:
    assert set(SAMPLES) == set(SPOKEN)


@pytest.mark.parametrize(("name", "line"), LINES)
def test_a_line_is_found_in_bytes_and_gives_its_row(name: str, line: str) -> None:
    row = SIGNATURES.of(line)

    assert is_telling(line.encode())
    assert row is not None
    assert row.name == name


@pytest.mark.parametrize("name", sorted(set(SPOKEN) - {"harmless"}))
@given(data=st.data())
def test_whatever_fits_a_pattern_is_found_in_bytes(name: str, data: st.DataObject) -> None:
    line = data.draw(st.from_regex(SPOKEN[name].pattern, fullmatch=True))

    assert is_telling(line.encode())


@pytest.mark.parametrize("line", HEALTHY)
def test_a_healthy_line_has_no_row_and_no_form(line: str) -> None:
    assert SIGNATURES.of(line) is None
    assert form_of(line) is None


def test_an_error_line_of_healthy_runs_is_never_kept() -> None:
    rows = [SIGNATURES.of(line) for line in SAMPLES["harmless"]]

    assert {row.weight for row in rows if row} == {Weight.DOUBT}


@pytest.mark.parametrize("log", ["completed", "terminated_in_order"])
def test_sruns_words_of_a_healthy_step_break_nothing(log: str) -> None:
    rows = [SIGNATURES.of(line.text) for line in read_lines(SAID / f"{log}.err")]

    assert [row.name for row in rows if row and row.weight is Weight.BREAK] == []


@pytest.mark.parametrize(
    ("log", "name"), [("time_limit", "time-limit"), ("no_image", "pyxis"), ("mpi_abort", "peers")]
)
def test_sruns_words_of_a_bad_end_have_their_row(log: str, name: str) -> None:
    rows = [SIGNATURES.of(line.text) for line in read_lines(SAID / f"{log}.err")]

    assert name in [row.name for row in rows if row]


@pytest.mark.parametrize(
    ("line", "form"),
    [
        ("ValueError: Free memory is less than desired", Form.EXCEPTION),
        ("tensorrt_llm.executor.utils.RequestError: no", Form.EXCEPTION),
        ("torch.distributed.elastic.ChildFailedError:", Form.EXCEPTION),
        ("KeyboardInterrupt", Form.EXCEPTION),
        ("terminate called after throwing an instance of 'std::bad_alloc'", Form.EXCEPTION),
        ("thread 'main' panicked at lib/runtime/src/worker.rs:12:5:", Form.EXCEPTION),
        ("[TensorRT-LLM][ERROR] Assertion failed: mSize > 0", Form.ERROR),
        (f"{TRT}[RANK 2] [E] Failed to load", Form.ERROR),
        (f"{DYN}dynamo_llm: it broke", Form.ERROR),
        ("bash: /mnt/multinode/start.sh: No such file or directory", Form.ERROR),
        ("bash: line 1: trtllm-llmapi-launch: command not found", Form.ERROR),
        ("Traceback (most recent call last):", None),
        ("    raise ValueError('x') from error", None),
        ("ValueErrors are counted here", None),
        ("A ValueError: in the middle of a sentence", None),
    ],
)
def test_a_line_of_unknown_meaning_has_its_form(line: str, form: Form | None) -> None:
    assert form_of(line) is form
    assert form is None or is_telling(line.encode())


def test_rows_give_way_only_to_rows_that_exist_and_never_in_a_circle() -> None:
    def below(name: str) -> set[str]:
        gives_way = SIGNATURES.yields_to(name)
        assert gives_way <= set(SIGNATURES.rows)
        return set(gives_way).union(*(below(each) for each in gives_way))

    assert [name for name in SIGNATURES.rows if name in below(name)] == []


def test_rows_say_what_they_mean_and_for_which_release() -> None:
    assert [row.name for row in SIGNATURES.rows.values() if not (row.means and row.holds)] == []


def test_no_line_of_a_healthy_process_is_fatal() -> None:
    fatal = [row for row in SIGNATURES.rows.values() if row.fatal]

    assert fatal
    assert all(row.weight is not Weight.DOUBT for row in fatal)
