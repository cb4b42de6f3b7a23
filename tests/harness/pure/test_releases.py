"""What differs between releases, by role: components, flags, refusals."""

from __future__ import annotations

import pytest

from harness.features import Feature
from harness.releases import dynamo_release
from harness.roles import Role


@pytest.mark.parametrize(
    ("version", "strategy", "prefill", "decode"),
    [
        ("0.6.1", "decode_first", "tensorrt_llm_next", "tensorrt_llm"),
        ("0.6.1", "prefill_first", "tensorrt_llm", "tensorrt_llm_next"),
        ("1.0.2", "prefill_first", "prefill", "tensorrt_llm"),
        ("1.4.2", "decode_first", "prefill", "backend"),
    ],
)
def test_each_role_has_its_component(
    version: str, strategy: str, prefill: str, decode: str
) -> None:
    release = dynamo_release(version)

    assert release.component(Role.PREFILL, strategy) == prefill
    assert release.component(Role.DECODE, strategy) == decode


@pytest.mark.parametrize("version", ["0.6.1", "0.8.1", "1.0.2", "1.4.2", "1.6.1"])
def test_aggregated_workers_take_the_component_of_the_first(version: str) -> None:
    release = dynamo_release(version)

    assert release.component(Role.AGGREGATED, "decode_first") == release.first_component


@pytest.mark.parametrize("version", ["0.6.1", "0.8.1", "1.0.2", "1.4.2", "1.6.1"])
def test_no_release_serves_several_choices_with_prefill_apart(version: str) -> None:
    release = dynamo_release(version)

    assert release.serves(disaggregated=False) == release.features
    assert release.serves(disaggregated=True) == release.features - {Feature.CHOICES}


def test_release_that_was_asked_serves_all_that_needs_no_guided_decoding() -> None:
    guided = {Feature.JSON_TEXT, Feature.TOOL_CALLS}

    assert dynamo_release("1.4.2").serves(disaggregated=False) == set(Feature) - guided
    assert dynamo_release("1.6.1").serves(disaggregated=True) == {
        Feature.STOP,
        Feature.IGNORE_EOS,
        Feature.EQUAL_ANSWERS,
    }
