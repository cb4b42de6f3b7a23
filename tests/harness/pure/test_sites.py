"""Site files: which one is taken, what stands in it and on which line."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import SettingsError
from harness.settings import SITES_DIR, load_settings
from harness.sites import SiteFile, load_site, select_site


@pytest.fixture
def sites(tmp_path: Path) -> Path:
    for name in ("testbed", "gb200"):
        (tmp_path / f"{name}.yaml").write_text("num_nodes: 4\n")
    return tmp_path


def site(folder: Path, text: str) -> Path:
    path = folder / "site.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("asked", "cluster", "taken"),
    [
        ("gb200", "testbed", "gb200"),
        (None, "testbed", "testbed"),
        ("", "testbed", "testbed"),
        (None, "unheard-of", None),
        (None, None, None),
    ],
    ids=[
        "the one asked for",
        "the cluster's",
        "an empty name",
        "cluster without one",
        "no cluster",
    ],
)
def test_the_site_asked_for_comes_before_the_clusters(
    sites: Path, asked: str | None, cluster: str | None, taken: str | None
) -> None:
    expected = sites / f"{taken}.yaml" if taken else None

    assert select_site(asked, cluster, sites) == expected


def test_a_site_that_is_not_there_is_refused_with_those_that_are(sites: Path) -> None:
    with pytest.raises(SettingsError, match=r"nope\.yaml; known sites: gb200, testbed"):
        select_site("nope", "testbed", sites)


def test_values_come_with_the_line_they_stand_on(tmp_path: Path) -> None:
    path = site(tmp_path, "# a site\nimage: /a.sqsh\n\nenvironment:\n  HF_HOME: /hf\n")
    loaded = load_site(path)

    assert loaded.values == {"image": "/a.sqsh", "environment": {"HF_HOME": "/hf"}}
    assert loaded.where("environment") == f"{path}:4"


@pytest.mark.parametrize("text", ["", "# only words\n", "---\n"])
def test_a_file_without_settings_is_a_site(tmp_path: Path, text: str) -> None:
    assert load_site(site(tmp_path, text)).values == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- image\n", "1: a site file is a mapping of settings, not a list"),
        ("image\n", "1: a site file is a mapping of settings, not a str"),
        ("image: [\n", "cannot be read as YAML"),
        ("image: !!python/object:os.system\n", "cannot be read as YAML"),
        ("\timage: a\n", "cannot be read as YAML"),
        ("image: a\naccount: b\nimage: c\n", "3: `image` stands on line 1 too"),
    ],
)
def test_what_is_no_site_file_is_named_with_its_path(tmp_path: Path, text: str, words: str) -> None:
    path = site(tmp_path, text)

    with pytest.raises(SettingsError) as refused:
        load_site(path)
    assert str(path) in str(refused.value)
    assert words in str(refused.value)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_bytes(b"image: \xff\n")

    with pytest.raises(SettingsError, match="cannot be read as YAML"):
        load_site(path)


def test_no_site_is_a_site_without_values() -> None:
    assert (SiteFile.empty().name, SiteFile.empty().values) == ("", {})


@pytest.mark.parametrize("name", sorted(each.stem for each in SITES_DIR.glob("*.yaml")))
def test_the_sites_of_this_project_are_valid(name: str) -> None:
    assert load_settings({}, {}, site=name).site == name
