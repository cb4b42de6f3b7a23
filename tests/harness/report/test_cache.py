"""Downloaded tools are whole in the cache, or not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from reports.cache import fill, is_whole
from reports.errors import ReportError


def put_two_files(folder: Path) -> None:
    (folder / "bin").mkdir()
    (folder / "bin" / "node").write_text("program", encoding="utf-8")
    (folder / "README").write_text("words", encoding="utf-8")


def test_what_was_filled_is_whole(tmp_path: Path) -> None:
    home = tmp_path / "tools" / "node-1"
    fill(home, put_two_files)

    assert is_whole(home)
    assert (home / "bin" / "node").read_text(encoding="utf-8") == "program"


@pytest.mark.parametrize(
    "harm",
    [
        lambda home: (home / "bin" / "node").unlink(),
        lambda home: (home / "bin" / "node").write_text("prog", encoding="utf-8"),
        lambda home: (home / "stray").write_text("x", encoding="utf-8"),
        lambda home: (home / ".whole").unlink(),
    ],
    ids=["file missing", "file cut short", "file too many", "never sealed"],
)
def test_a_damaged_folder_is_not_whole_and_is_made_anew(tmp_path: Path, harm: object) -> None:
    home = tmp_path / "node-1"
    fill(home, put_two_files)
    assert callable(harm)
    harm(home)

    assert not is_whole(home)
    fill(home, put_two_files)
    assert is_whole(home)


def test_a_download_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail_halfway(folder: Path) -> None:
        put_two_files(folder)
        raise ReportError("the line went dead")

    with pytest.raises(ReportError, match="the line went dead"):
        fill(tmp_path / "node-1", fail_halfway)

    assert [path.name for path in tmp_path.iterdir()] == ["node-1.lock"]


def test_a_cache_that_cannot_be_written_is_told_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file, not a folder", encoding="utf-8")

    with pytest.raises(ReportError) as raised:
        fill(tmp_path / "cache" / "node-1", put_two_files)

    assert raised.value.hint == "set XDG_CACHE_HOME to a folder that can be written"
