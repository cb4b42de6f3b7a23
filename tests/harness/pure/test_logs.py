"""Step logs: labels, colours, tails, and following a file that grows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.logs import TAIL_BYTES, LogFollower, LogLine, parse_line, read_lines, tail


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "agg-0.err.log"


def append(log: Path, added: bytes) -> None:
    with log.open("ab") as out:
        out.write(added)


@pytest.mark.parametrize(
    ("raw", "rank", "text"),
    [
        ("3: rank3 run mgmn worker node", 3, "rank3 run mgmn worker node"),
        (" 9: padded to the width of 15", 9, "padded to the width of 15"),
        ("12:no blank", 12, "no blank"),
        ("12:  two blanks", 12, " two blanks"),
        ("7: ", 7, ""),
        ("7:", 7, ""),
        ("0: 10.77.0.1:2379", 0, "10.77.0.1:2379"),
        ("srun: error: node3: task 9: Killed", None, "srun: error: node3: task 9: Killed"),
        ("error at 3: bad", None, "error at 3: bad"),
        ("", None, ""),
    ],
)
def test_the_label_of_a_task_is_split_from_its_words(raw: str, rank: int | None, text: str) -> None:
    assert parse_line(1, raw) == LogLine(1, rank, text)


@pytest.mark.parametrize(
    "raw",
    [
        "\x1b[2m 4: \x1b[0m\x1b[32mINFO\x1b[0m ready",
        " 4: \x1b[?25lINFO ready\x1b[?25h",
        " 4: \x1b[38;5;208mINFO\x1b[m ready\r\n",
    ],
)
def test_colours_and_line_ends_are_taken_off(raw: str) -> None:
    assert parse_line(8, raw) == LogLine(8, 4, "INFO ready")


def test_a_log_that_does_not_exist_yet_has_no_lines(log: Path) -> None:
    assert read_lines(log) == []
    assert list(LogFollower(log).new_lines()) == []
    assert tail(log) == ""


def test_reading_takes_the_unfinished_last_line_too(log: Path) -> None:
    append(log, b"0: one\n1: tw")

    assert read_lines(log) == [LogLine(1, 0, "one"), LogLine(2, 1, "tw")]


def test_following_waits_for_the_rest_of_an_unfinished_line(log: Path) -> None:
    follower = LogFollower(log)
    append(log, b"9: Model init total -- 5")
    assert list(follower.new_lines()) == []

    append(log, b"5.42s\n")
    assert list(follower.new_lines()) == [LogLine(1, 9, "Model init total -- 55.42s")]
    assert list(follower.new_lines()) == []


def test_a_log_may_appear_after_the_following_has_begun(log: Path) -> None:
    follower = LogFollower(log)
    assert list(follower.new_lines()) == []

    append(log, b"srun: launching\n")
    assert [line.text for line in follower.new_lines()] == ["srun: launching"]


@given(
    st.lists(st.binary(max_size=12)),
    st.sampled_from([b"0: ok\n", b"\xc3\xa9\xff\n", b"\r\n", b"\x0c\x1c\xe2\x80\xa8\x85\n"]),
)
def test_following_in_any_chunks_gives_the_lines_of_the_whole(
    chunks: Sequence[bytes], end: bytes
) -> None:
    with TemporaryDirectory() as folder:
        log = Path(folder) / "any.log"
        follower = LogFollower(log)
        followed: list[LogLine] = []
        for chunk in [*chunks, end]:
            append(log, chunk)
            followed += follower.new_lines()

        assert followed == read_lines(log)
        assert [line.number for line in followed] == list(range(1, len(followed) + 1))


def test_a_line_is_what_ends_with_a_newline_and_nothing_else(log: Path) -> None:
    append(log, "0: page\fbreak\u2028and\x85more\r50%\r100%\n1: next\n".encode())

    assert [line.rank for line in read_lines(log)] == [0, 1]


def test_the_tail_is_the_last_lines(log: Path) -> None:
    append(log, b"".join(b"line %d\n" % number for number in range(100)))

    assert tail(log, 3) == "line 97\nline 98\nline 99"


def test_a_short_log_is_its_own_tail(log: Path) -> None:
    append(log, b"only\nthese")

    assert tail(log) == "only\nthese"


def test_the_tail_of_a_log_without_line_ends_is_bounded(log: Path) -> None:
    append(log, b"x" * (3 * TAIL_BYTES))

    assert len(tail(log)) == TAIL_BYTES
