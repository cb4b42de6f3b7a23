"""Features beyond the core: which ones are declared, and what a misspelt one is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import SettingsError
from harness.features import Feature, parse_features
from harness.settings import load_settings


@given(st.sets(st.sampled_from(list(Feature))), st.sampled_from([",", ", ", " ,", ",,"]))
def test_list_of_features_is_read(features: set[Feature], comma: str) -> None:
    assert parse_features(comma.join(sorted(features))) == features


@pytest.mark.parametrize("text", ["", " ", ","])
def test_nothing_declared_is_nothing(text: str) -> None:
    assert parse_features(text) == frozenset()


@pytest.mark.parametrize("name", ["stopp", "STOP", "stop tools", "*"])
def test_misspelt_feature_is_named_with_its_place_and_the_known_ones(
    tmp_path: Path, name: str
) -> None:
    """A site file's was named without the file, and only once the run had been planned."""
    (tmp_path / "here.yaml").write_text(f"image: a\ndeclared_features: 'logprobs,{name}'\n")
    known = f"no feature is called {name!r}; known: {', '.join(Feature)}"

    with pytest.raises(SettingsError) as refused:
        load_settings({}, {}, site="here", sites_dir=tmp_path)
    assert f"{tmp_path / 'here.yaml'}:2: DECLARED_FEATURES='logprobs,{name}'" in str(refused.value)
    assert known in str(refused.value)


def test_declared_features_are_settings() -> None:
    loaded = load_settings({"declared_features": "stop, n"}, {"DECLARED_FEATURES": "tools"})

    assert loaded.settings.features == {Feature.STOP, Feature.CHOICES}
