"""Features beyond the core: which ones are declared, and what a misspelt one is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import SettingsError
from harness.features import Feature, parse_features


@given(st.sets(st.sampled_from(list(Feature))), st.sampled_from([",", ", ", " ,", ",,"]))
def test_list_of_features_is_read(features: set[Feature], comma: str) -> None:
    assert parse_features(comma.join(sorted(features))) == features


@pytest.mark.parametrize("text", ["", " ", ","])
def test_nothing_declared_is_nothing(text: str) -> None:
    assert parse_features(text) == frozenset()


@pytest.mark.parametrize("name", ["stopp", "STOP", "stop tools", "*"])
def test_misspelt_feature_is_named_with_the_known_ones(name: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse_features(f"logprobs,{name}")
    assert f"no feature is called {name!r}" in str(refused.value)
    assert f"known: {', '.join(Feature)}" in str(refused.value)
