"""What the logs of a step tell: by rank, with the line and the time, while they are written."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from harness.diagnosis.facts import Fact, Layer, Source, Weight
from harness.diagnosis.listener import LINES_A_RANK, MOST_CHARACTERS, LogEar, StepListener
from harness.diagnosis.log_form import Form, time_of

AT = datetime(2026, 11, 28, 12, tzinfo=timezone.utc).timestamp()


class Logs:
    """The two logs of a step, and who has listened to them since the scenario began."""

    def __init__(self, folder: Path, *, started_at: float = 0.0) -> None:
        self.out, self.err = folder / "agg-0.out.log", folder / "agg-0.err.log"
        logs = (self.err, self.out)
        self.listener = StepListener("agg-0", logs, Layer.ENGINE, started_at=started_at)

    def write(self, *lines: str, end: str = "\n") -> None:
        """Add lines to standard error."""
        with self.err.open("a") as log:
            log.write("\n".join(lines) + end)

    def hear(self, *lines: str) -> list[Fact]:
        """Add lines and return what is new."""
        self.write(*lines)
        return self.listener.listen()


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    return Logs(tmp_path)


def words(facts: Iterable[Fact]) -> list[str]:
    return [fact.words for fact in facts]


def test_a_line_of_unknown_meaning_has_rank_line_and_layer(logs: Logs) -> None:
    [fact] = logs.hear("0: fine", "12: ValueError: too little memory", "0: fine")

    assert (fact.place.step, fact.place.rank) == ("agg-0", 12)
    assert fact.place.log == f"{logs.err}:2"
    assert (fact.words, fact.name) == ("ValueError: too little memory", Form.EXCEPTION.value)
    assert (fact.source, fact.layer, fact.weight) == (Source.LOG, Layer.ENGINE, Weight.DOUBT)
    assert fact.verdict_class == ""


def test_a_line_that_a_row_knows_has_its_layer_and_class(logs: Logs) -> None:
    [fact] = logs.hear("3: slurmstepd: error: Detected 1 oom_kill event in StepId=7.1.")

    assert (fact.name, fact.layer, fact.weight) == ("oom-kill", Layer.NODE, Weight.BREAK)
    assert fact.verdict_class == "CONFIG"


def test_lines_are_counted_over_all_looks_and_blank_ones_too(logs: Logs) -> None:
    logs.hear("0: fine", "", "0: fine")
    [first] = logs.hear("0: fine", "1: KeyError: 'a'")
    [second, third] = logs.hear("2: KeyError: 'b'", "", "0: x", "3: KeyError: 'c'")

    assert [fact.place.line for fact in (first, second, third)] == [5, 6, 9]


def test_sruns_own_words_have_no_rank_and_labels_may_be_padded(logs: Logs) -> None:
    sruns, padded = logs.hear("srun: error: node3: task 9: Killed", " 3: KeyError: 'a'")

    assert (sruns.place.rank, sruns.name) == (None, "task-end")
    assert padded.place.rank == 3


def test_colours_are_no_part_of_a_line(logs: Logs) -> None:
    [fact] = logs.hear("2: \x1b[2m2026-11-28T12:00:00.5Z\x1b[0m \x1b[31mERROR\x1b[0m it broke")

    assert fact.words == "2026-11-28T12:00:00.5Z ERROR it broke"
    assert fact.at == AT + 0.5


def test_an_unfinished_line_is_heard_when_it_is_whole(logs: Logs) -> None:
    logs.write("0: fine", "1: ValueE", end="")
    assert logs.listener.listen() == []

    logs.write("rror: whole", "2: x")
    [fact] = logs.listener.listen()
    assert (fact.words, fact.place.line) == ("ValueError: whole", 2)


def test_a_log_that_is_there_only_later_is_heard(logs: Logs) -> None:
    assert logs.listener.listen() == []

    assert words(logs.hear("0: KeyError: 'a'")) == ["KeyError: 'a'"]


def test_both_logs_are_heard(logs: Logs) -> None:
    logs.out.write_text("1: [11/28/2026-12:00:00] [TRT-LLM] [RANK 1] [E] no\n")

    [fact] = logs.listener.listen()
    assert fact.place.log == f"{logs.out}:1"


def test_what_was_heard_is_kept_and_told_once_as_new(logs: Logs) -> None:
    first = logs.hear("0: KeyError: 'a'")
    logs.write("1: KeyError: 'b'")

    assert words(logs.listener.facts()) == ["KeyError: 'a'", "KeyError: 'b'"]
    assert logs.listener.listen() == []
    assert logs.listener.facts()[:1] == first


def test_of_a_rank_the_first_lines_of_unknown_meaning_are_kept(logs: Logs) -> None:
    many = [f"{rank}: KeyError: {number}" for number in range(20) for rank in (0, 1)]

    facts = logs.hear(*many)
    for rank in (0, 1):
        mine = [fact.words for fact in facts if fact.place.rank == rank]
        assert mine == [f"KeyError: {number}" for number in range(LINES_A_RANK)]


def test_a_row_is_heard_after_many_lines_of_unknown_meaning(logs: Logs) -> None:
    logs.hear(*(f"0: KeyError: {number}" for number in range(20)))

    assert [fact.name for fact in logs.hear("0: RuntimeError: CUDA out of memory")] == [
        "gpu-out-of-memory"
    ]


def test_each_row_is_kept_once_a_rank(logs: Logs) -> None:
    facts = logs.hear(*(f"{rank}: CUDA out of memory {turn}" for turn in "ab" for rank in (0, 1)))

    assert words(facts) == ["CUDA out of memory a"] * 2
    assert logs.hear("1: CUDA out of memory c") == []


def test_an_error_line_of_healthy_runs_is_not_kept(logs: Logs) -> None:
    harmless = "0: ERROR Token WorkerSet already registered for this encoder router"

    assert logs.hear(harmless) == []


def test_a_long_line_is_cut_and_bytes_that_are_no_text_do_no_harm(logs: Logs) -> None:
    logs.err.write_bytes(b"0: \xff\xfe KeyError\n0: ValueError: " + b"x" * 5000 + b"\n")

    [fact] = logs.listener.listen()
    assert len(fact.words) == MOST_CHARACTERS


@pytest.mark.parametrize(
    ("line", "at"),
    [
        ("2026-11-28T12:00:00.123456Z ERROR no", AT + 0.123456),
        ("2026-11-28T12:00:00.123456 ERROR no", AT + 0.123456),
        ("2026-11-28 12:00:00,250 ERROR no", AT + 0.25),
        ("2026-11-28T12:00:00Z ERROR no", AT),
        ("[11/28/2026-12:00:00] [TRT-LLM] [RANK 3] [E] no", AT),
    ],
)
def test_a_line_has_the_time_that_it_says(logs: Logs, line: str, at: float) -> None:
    [fact] = logs.hear(f"3: {line}")

    assert fact.at == pytest.approx(at, abs=1e-5)


def test_a_time_of_this_hosts_own_zone_is_taken_where_utc_cannot_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TZ", "UTC-8")  # eight hours before UTC, in POSIX's words
    time.tzset()
    try:
        line, around = "[11/28/2026-20:00:00] [E] no", {"earliest": AT - 60, "latest": AT + 60}
        assert time_of(line, **around) == AT
        assert time_of("[11/28/2026-12:00:00] [E] no", **around) == AT
        day = {"earliest": AT - 86400, "latest": AT + 86400}
        assert time_of("[11/28/2026-12:00:00] [E] both can be", **day) == AT
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    "line",
    ["no time", "[11/28/2025-12:00:00] long ago", "2026-13-45T12:00:00 no day", "2026-11-28"],
)
def test_a_line_without_a_time_that_can_be_has_none(line: str) -> None:
    assert time_of(line, earliest=AT - 60, latest=AT + 60) is None


def test_a_traceback_has_the_time_of_the_last_line_of_its_rank(logs: Logs) -> None:
    [fact] = logs.hear(
        "3: [11/28/2026-12:00:00] [TRT-LLM] [RANK 3] [I] loading",
        "13: [11/28/2026-12:00:20] [TRT-LLM] [RANK 13] [I] loading",
        "3: Traceback (most recent call last):",
        "4: [11/28/2026-12:00:30] [TRT-LLM] [RANK 4] [I] loading",
        "3: ValueError: too little memory",
    )

    assert fact.at == AT


def test_a_traceback_has_a_time_also_where_its_parts_are_heard_one_by_one(logs: Logs) -> None:
    earliest = time.time() - 3600
    told = datetime.fromtimestamp(earliest, timezone.utc) + timedelta(minutes=10)
    ear = LogEar(logs.err, earliest=earliest)
    logs.write(f"3: {told:%Y-%m-%dT%H:%M:%SZ} INFO loading")
    assert list(ear.new_lines()) == []
    logs.write("3: Traceback (most recent call last):")
    assert list(ear.new_lines()) == []
    before = time.time()
    logs.write("3: ValueError: too little memory")

    [heard] = ear.new_lines()
    assert told.timestamp() < heard.at <= before


def test_no_line_is_older_than_the_look_that_did_not_find_it(tmp_path: Path) -> None:
    began = time.time()
    logs = Logs(tmp_path, started_at=began - 3600)
    told = datetime.fromtimestamp(began - 600, timezone.utc)
    logs.hear(f"3: {told:%Y-%m-%dT%H:%M:%SZ} INFO loading")

    [fact] = logs.hear("3: ValueError: after ten minutes of silence")
    assert began <= fact.at <= time.time()


def test_a_line_without_any_time_was_written_now(logs: Logs) -> None:
    before = time.time()
    [fact] = logs.hear("3: ValueError: x")

    assert before <= fact.at <= time.time()


def test_a_time_before_the_step_is_not_the_lines(tmp_path: Path) -> None:
    before = time.time()
    [fact] = Logs(tmp_path, started_at=before).hear("0: 2026-11-28T12:00:00Z ERROR no")

    assert fact.at >= before


def test_a_chunk_of_megabytes_is_heard_whole_and_soon(logs: Logs) -> None:
    fine = "5: 2026-11-28T12:00:00.000000Z  INFO request finished with 34 tokens\n" * 3
    wrong = "5: KeyError: 'a'\n"
    logs.err.write_text((fine + wrong) * 50_000 + "6: KeyError: 'last'\n")

    began_s = time.process_time()
    facts = logs.listener.listen()
    assert time.process_time() - began_s < 15  # 3 s are usual; quadratic, it takes half a minute
    assert len(facts) == LINES_A_RANK + 1
    assert (facts[0].place.line, facts[-1].place.line) == (4, 50_000 * 4 + 1)


def test_a_fact_is_shown_with_time_place_words_and_log(logs: Logs) -> None:
    [fact] = logs.hear("3: 2026-11-28T12:00:00.5Z ERROR no")

    assert str(fact) == (
        f"12:00:00.500 rank 3 of agg-0: 2026-11-28T12:00:00.5Z ERROR no [{logs.err}:1]"
    )
