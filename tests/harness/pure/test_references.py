"""Reference values of a site: what is wrong with them is named, what is outside of them fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.dynamo.topologies import topology
from harness.errors import SettingsError
from harness.figures import FIGURES
from harness.measures import Measures
from harness.reference_check import NO_REFERENCE, add_figures
from harness.references import Reference
from harness.rundir import RunDirectory
from harness.settings import Settings, load_settings
from harness.topology_names import ATTACHED, TOPOLOGY_NAMES

GOOD = "value: 0.2, unit: s, lower: 0.05, upper: 0.4"
REFERENCE = Reference(value=0.2, unit="s", lower=0.05, upper=0.4)


def load(folder: Path, name: str, reference: str) -> Settings:
    text = f"image: /a.sqsh\nreferences:\n  agg:\n    {name}: {{{reference}}}\n"
    (folder / "here.yaml").write_text(text)
    return load_settings({}, {}, site="here", sites_dir=folder).settings


def test_reference_is_read_by_topology_and_name(tmp_path: Path) -> None:
    settings = load(tmp_path, "first_token_p50 at 64", GOOD)

    assert settings.references == {"agg": {"first_token_p50 at 64": REFERENCE}}


@pytest.mark.parametrize(("figure", "unit"), FIGURES.items())
def test_every_figure_may_have_one_in_its_unit(tmp_path: Path, figure: str, unit: str) -> None:
    other = "ms" if unit == "s" else "s"
    reference = "value: 1, lower: 1, upper: 1, unit: "

    assert load(tmp_path, f"{figure} at 1", reference + unit).references
    with pytest.raises(SettingsError, match=f"{figure} at 1 is in {unit}, not in {other}"):
        load(tmp_path, f"{figure} at 1", reference + other)


@pytest.mark.parametrize(
    ("name", "reference", "words"),
    [
        ("first_token_p51 at 64", GOOD, "seen 'first_token_p51 at 64'; figures: first_token_p50"),
        ("first_token_p50", GOOD, "expected `<figure> at <clients>`, seen 'first_token_p50'"),
        ("gap_p50 at 8 clients", GOOD, "seen 'gap_p50 at 8 clients'"),
        ("gap_p50 at many", GOOD, "seen 'gap_p50 at many'"),
        ("gap_p50 at 8", GOOD.replace("unit: s", "unit: ms"), "gap_p50 at 8 is in s, not in ms"),
        ("gap_p50 at 8", GOOD.replace("0.05", "0.3"), "expected lower <= value <= upper, seen 0.3"),
        ("gap_p50 at 8", GOOD.replace("0.4", "0.1"), "expected lower <= value <= upper, seen 0.05"),
        ("gap_p50 at 8", GOOD.replace("0.2", ".nan"), "gap_p50 at 8"),
        ("gap_p50 at 8", GOOD.replace("0.2", "fast"), "REFERENCES.agg.gap_p50 at 8.value='fast'"),
        ("gap_p50 at 8", GOOD.replace(", upper: 0.4", ""), "gap_p50 at 8.upper="),
        ("gap_p50 at 8", f"{GOOD}, uper: 0.4", "gap_p50 at 8.uper=0.4: Extra inputs"),
    ],
)
def test_wrong_reference_is_named_with_file_and_key(
    tmp_path: Path, name: str, reference: str, words: str
) -> None:
    """A misspelt member was told as `unknown key references`."""
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, name, reference)
    assert f"{tmp_path / 'here.yaml'}:2: REFERENCES" in str(refused.value)
    assert words in str(refused.value)


def test_unknown_topology_is_named_with_the_file_and_those_that_are_known(tmp_path: Path) -> None:
    """A misspelt one was never looked up, and its figures had no reference."""
    (tmp_path / "here.yaml").write_text("references:\n  aggregated: {}\n")

    with pytest.raises(SettingsError) as refused:
        load_settings({}, {}, site="here", sites_dir=tmp_path)
    assert f"{tmp_path / 'here.yaml'}:1: REFERENCES" in str(refused.value)
    assert "no topology is called 'aggregated'; known: attached, agg, agg-r" in str(refused.value)


@pytest.mark.parametrize("name", TOPOLOGY_NAMES)
def test_every_known_topology_can_be_had(name: str) -> None:
    assert name == ATTACHED or topology(name, Settings()).name == name


@pytest.fixture
def measures(tmp_path: Path) -> Measures:
    """The figures of a run."""
    return Measures(RunDirectory.create(tmp_path / "run", "run"))


@pytest.mark.parametrize(
    ("value", "figure"),
    [
        (0.1, "0.1 s (limit 0.4 s; reference 0.2 s)"),
        (0.05, "0.05 s (limit 0.4 s; reference 0.2 s)"),
        (0.4, "0.4 s (limit 0.4 s; reference 0.2 s)"),
        (0.41, "0.41 s (OVER its limit of 0.4 s; reference 0.2 s)"),
        (0.04, "0.04 s (BELOW its floor of 0.05 s; reference 0.2 s)"),
    ],
)
def test_figure_is_held_against_its_reference(
    measures: Measures, value: float, figure: str
) -> None:
    known = {"gap_p50 at 8": REFERENCE}
    [kept] = add_figures(measures, {"gap_p50": value}, known, where="agg", clients=8)

    assert kept.figure == figure
    assert kept.within_limit == (0.05 <= value <= 0.4)
    assert measures.lines() == [f"agg: gap_p50 at 8: {figure}"]


@pytest.mark.parametrize("known", [{}, {"gap_p50 at 64": REFERENCE}])
def test_figure_without_a_reference_says_so(
    measures: Measures, known: dict[str, Reference]
) -> None:
    [kept] = add_figures(measures, {"gap_p50": 9.0}, known, where="agg", clients=8)

    assert kept.within_limit
    assert kept.figure == f"9 s ({NO_REFERENCE})"
