"""The image: what it is made of, and how a broken one is told from a whole one."""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path

import pytest

from testbed.image import skeleton, store
from testbed.image.commands import run
from testbed.image.errors import ImageBuildError
from tests.harness.engine.conftest import ROOT

IMAGE = ROOT / "testbed" / "image"
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([A-Za-z0-9.+!]+)$")


def pins(name: str) -> dict[str, str]:
    """Return name and version of each line that is no comment; any other line fails."""
    found = {}
    for line in (IMAGE / name).read_text().splitlines():
        if line and not line.startswith("#"):
            pin = PIN.match(line)
            assert pin, f"{name}: {line!r} is not a pin"
            found[pin[1].lower()] = pin[2]
    return found


def test_every_direct_pin_is_in_the_lock() -> None:
    lock = pins("lock.txt")

    assert {name: lock.get(name) for name in pins("requirements.txt")} == pins("requirements.txt")


@pytest.mark.parametrize("name", ["lock.txt", "requirements.txt"])
def test_the_files_of_pins_hold_no_addresses(name: str) -> None:
    assert not re.search(r"://|--index|--find-links|@", (IMAGE / name).read_text())


def test_nothing_with_cuda_is_installed() -> None:
    unwanted = re.compile(r"^(torch|nixl|tensorrt|nvidia|cuda|cupy|triton)", re.IGNORECASE)

    assert [name for name in pins("lock.txt") if unwanted.match(name)] == []


def test_the_skeleton_has_variables_and_links(tmp_path: Path) -> None:
    skeleton.write_skeleton(tmp_path)

    variables = dict(
        line.split("=", 1) for line in (tmp_path / "etc/environment").read_text().splitlines()
    )
    assert variables["PATH"].split(":")[0] == "/opt/dynamo/bin"
    assert variables["CUDA_VERSION"].endswith("+emulated")
    assert not {"MODEL_PATH", "SERVED_MODEL_NAME", "HF_HOME", "ETCD_ENDPOINTS"} & set(variables)
    assert str((tmp_path / "bin").readlink()) == "usr/bin"


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A stamped file."""
    path = tmp_path / "image.sqsh"
    path.write_bytes(b"x" * 10_000)
    store.stamp_file(path)
    return path


def test_a_whole_file_is_known_again(whole: Path) -> None:
    assert store.is_whole(whole)


def test_a_touched_file_is_read_again_and_known(whole: Path) -> None:
    whole.write_bytes(b"x" * 10_000)

    assert store.is_whole(whole)


def test_a_changed_file_is_not_whole(whole: Path) -> None:
    with whole.open("r+b") as file:
        file.seek(5_000)
        file.write(b"y")

    assert not store.is_whole(whole)


@pytest.mark.parametrize("harm", ["cut", "missing", "no stamp", "broken stamp"])
def test_a_harmed_file_is_not_whole(whole: Path, harm: str) -> None:
    stamp = whole.with_name(whole.name + ".json")
    if harm == "cut":
        whole.write_bytes(b"x" * 9_999)
    elif harm == "missing":
        whole.unlink()
    elif harm == "no stamp":
        stamp.unlink()
    else:
        stamp.write_text('{"bytes": ')

    assert not store.is_whole(whole)


def test_a_folder_that_lost_a_file_is_not_whole(tmp_path: Path) -> None:
    folder = tmp_path / "environment-1"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").write_text("x")
    store.stamp_folder(folder)
    assert store.is_whole_folder(folder)

    (folder / "bin" / "python").unlink()

    assert not store.is_whole_folder(folder)


def test_an_interrupted_build_leaves_nothing_to_the_next(tmp_path: Path) -> None:
    (tmp_path / ".draft-old" / "root").mkdir(parents=True)

    with store.draft_in(tmp_path) as draft:
        assert [path.name for path in tmp_path.iterdir()] == [draft.name]

    assert list(tmp_path.iterdir()) == []


def test_only_the_newest_earlier_version_stays(tmp_path: Path) -> None:
    folders = [tmp_path / f"environment-{key}" for key in ("a1", "b2", "c3")]
    for age, folder in enumerate(folders):
        folder.mkdir()
        store.stamp_folder(folder)
        os.utime(folder, (1_000_000 - age, 1_000_000 - age))

    store.drop_old(tmp_path, "environment-*[0-9a-f]", keep=folders[0])

    left = {path.name for path in tmp_path.iterdir()}
    assert left == {f"environment-{key}{end}" for key in ("a1", "b2") for end in ("", ".json")}


def test_two_builders_take_turns(tmp_path: Path) -> None:
    said, inside = list[str](), threading.Event()

    def second() -> None:
        with store.one_at_a_time(tmp_path, timeout_s=10, log=said.append):
            inside.set()

    with store.one_at_a_time(tmp_path, timeout_s=10, log=said.append):
        other = threading.Thread(target=second)
        other.start()
        assert not inside.wait(0.3)
    other.join(10)

    assert inside.is_set()
    assert said == ["another process builds the image; waiting for it"]


def test_a_lock_held_too_long_is_named(tmp_path: Path) -> None:
    with (
        store.one_at_a_time(tmp_path, timeout_s=1, log=print),
        pytest.raises(ImageBuildError, match=r"\.lock for 0 s"),
        store.one_at_a_time(tmp_path, timeout_s=0, log=print),
    ):
        pass


def test_a_key_changes_with_every_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    before = store.digest_of_folder(tmp_path)

    (tmp_path / "b").write_text("")

    assert store.digest_of_folder(tmp_path) != before


def test_a_failed_program_is_quoted() -> None:
    with pytest.raises(ImageBuildError, match=r"installing failed: .*exit code 3\n.*no room"):
        run(["sh", "-c", "echo no room; exit 3"], step="installing", timeout_s=10)


def test_a_program_that_hangs_is_ended() -> None:
    with pytest.raises(ImageBuildError, match="did not end within 0 s"):
        run(["sleep", "60"], step="installing", timeout_s=0.2)
