"""``--container-mounts``: parsing, checking, and the way from a container path to the host's."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import SettingsError
from harness.mounts import Mount, check_sources, host_path, parse_mounts

NAMES = st.text("abcXYZ019._- ", min_size=1, max_size=6).filter(
    lambda name: name == name.strip() and name not in {".", ".."}
)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(lambda names: "/" + "/".join(names))
MOUNTS = st.builds(
    Mount, PATHS.map(Path), PATHS.map(PurePosixPath), st.sampled_from(["", "ro", "rw", "ro+x-move"])
)


def mount(source: str, target: str, flags: str = "") -> Mount:
    return Mount(Path(source), PurePosixPath(target), flags)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("/a:/b", (mount("/a", "/b"),)),
        ("/a:/b:ro", (mount("/a", "/b", "ro"),)),
        ("/lustre", (mount("/lustre", "/lustre"),)),
        ("/a:/b, /c:/d ,", (mount("/a", "/b"), mount("/c", "/d"))),
        ("/repo/multinode/../:/mnt", (mount("/repo/multinode/..", "/mnt"),)),
    ],
)
def test_pairs_are_read(text: str, expected: tuple[Mount, ...]) -> None:
    assert parse_mounts(text, where="MOUNTS") == expected


@given(st.lists(MOUNTS, max_size=4))
def test_what_is_written_is_read_back(mounts: list[Mount]) -> None:
    assert parse_mounts(",".join(map(str, mounts)), where="MOUNTS") == tuple(mounts)


@pytest.mark.parametrize(
    "pair",
    ["a:/b", "/a:b", "../:/mnt", ":/mnt", "/a:", "/a::ro", "/a:/b:", "/a:/b:ro:x", "/a b c:d"],
)
def test_a_malformed_pair_is_named_with_its_setting_and_the_expected_form(pair: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse_mounts(f"/good:/mnt,{pair}", where="MOUNTS")

    assert f"MOUNTS: `{pair}` is not a mount" in str(refused.value)
    assert "/host/path:/container/path" in str(refused.value)


@given(st.text(":/,ab ", max_size=20))
def test_any_text_is_mounts_or_a_named_error(text: str) -> None:
    try:
        mounts = parse_mounts(text, where="MOUNTS")
    except SettingsError:
        return
    assert all(str(each.target).startswith("/") for each in mounts)


def test_a_missing_source_is_named_with_its_pair(tmp_path: Path) -> None:
    there, missing = tmp_path, tmp_path / "missing"

    with pytest.raises(SettingsError) as refused:
        check_sources(parse_mounts(f"{there}:/a,{missing}:/b:ro", where="MOUNTS"), where="MOUNTS")
    assert f"MOUNTS: mount source {missing} does not exist" in str(refused.value)
    assert f"`{missing}:/b:ro`" in str(refused.value)


def test_sources_that_exist_are_accepted(tmp_path: Path) -> None:
    check_sources([Mount(tmp_path, PurePosixPath("/mnt"))], where="MOUNTS")


@pytest.mark.parametrize(
    ("container", "host"),
    [
        ("/mnt/engine_configs/agg.yaml", "/repo/engine_configs/agg.yaml"),
        ("/mnt", "/repo"),
        ("/mnt/models/r1", "/lustre/models/r1"),
        ("/mnt/modelsX/r1", "/repo/modelsX/r1"),
        ("/mntX", None),
        ("/opt/dynamo", None),
    ],
)
def test_the_longest_matching_mount_leads_to_the_host(container: str, host: str | None) -> None:
    mounts = [mount("/repo", "/mnt"), mount("/lustre/models", "/mnt/models")]

    assert host_path(container, mounts) == (Path(host) if host else None)


def test_of_two_mounts_on_one_target_the_later_covers_the_earlier() -> None:
    assert host_path("/mnt/x", [mount("/old", "/mnt"), mount("/new", "/mnt")]) == Path("/new/x")


def test_a_mount_on_the_root_leads_everywhere() -> None:
    assert host_path("/any/file", [mount("/image", "/")]) == Path("/image/any/file")
