"""External programs: output, deadline, and errors that name the command."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import VerdictClass
from harness.process import CommandMissing, CommandTimeout, run

PYTHON = (sys.executable, "-I", "-S", "-c")


def test_output_and_exit_status_are_returned_apart() -> None:
    done = run(
        [*PYTHON, "import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)"],
        timeout_s=20,
    )

    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")
    assert done.argv[0] == sys.executable


def test_a_program_reads_what_it_is_given_on_standard_input() -> None:
    done = run(["cat"], timeout_s=20, stdin="rank 3 of 16")

    assert done.stdout == "rank 3 of 16"


@pytest.fixture
def typed() -> Iterator[None]:
    """Make this process's own standard input one on which somebody has typed."""
    reader, writer = os.pipe()
    os.write(writer, b"typed by a person")
    os.close(writer)
    saved = os.dup(0)
    os.dup2(reader, 0)
    yield
    os.dup2(saved, 0)
    os.close(saved)
    os.close(reader)


@pytest.mark.usefixtures("typed")
def test_a_program_that_is_given_nothing_does_not_read_what_a_person_types() -> None:
    assert run(["cat"], timeout_s=20).stdout == ""


def test_no_word_passes_through_a_shell() -> None:
    assert run(["printf", "%s", "$HOME; `id` *"], timeout_s=20).stdout == "$HOME; `id` *"


def test_the_environment_is_the_one_given_and_nothing_else() -> None:
    done = run(["/usr/bin/env"], timeout_s=20, env={"ONLY": "this"})

    assert done.stdout == "ONLY=this\n"


def test_bytes_that_are_no_text_do_not_break_the_call() -> None:
    assert run(["printf", r"\377ok"], timeout_s=20).stdout == "\ufffdok"


def test_a_program_over_its_deadline_is_killed_and_named_with_its_last_words() -> None:
    hangs = "import sys, time; print('still queued', file=sys.stderr, flush=True); time.sleep(60)"
    begun_s = time.monotonic()

    with pytest.raises(CommandTimeout) as slow:
        run([*PYTHON, hangs], timeout_s=1.0)

    assert time.monotonic() - begun_s < 10
    assert "did not end within 1 s; its last words: still queued" in str(slow.value)
    assert slow.value.verdict_class is VerdictClass.INFRA


def test_a_child_that_keeps_the_output_open_does_not_prolong_the_deadline() -> None:
    begun_s = time.monotonic()

    with pytest.raises(CommandTimeout):
        run(["sh", "-c", "sleep 8 & wait"], timeout_s=0.2)

    assert time.monotonic() - begun_s < 5


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(CommandMissing, match=r"no-such-squeue.*--steps") as missing:
        run(["no-such-squeue", "--steps"], timeout_s=20)
    assert missing.value.verdict_class is VerdictClass.INFRA


def test_a_file_that_cannot_be_run_is_named(tmp_path: Path) -> None:
    script = tmp_path / "srun"
    script.write_text("not a program\n")

    with pytest.raises(CommandMissing, match=f"{script}.*Permission denied"):
        run([str(script)], timeout_s=20)
