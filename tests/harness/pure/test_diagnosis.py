"""A diagnosis in words, and that it can be made again from what the run directory keeps."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.diagnosis.diagnosis import Diagnosed, Diagnosis, Seen, diagnose, seen_from
from harness.diagnosis.facts import Fact, Layer, Place, Source, Weight, fact_from
from harness.diagnosis.signatures import NODE_UNFIT, RANK_ENDED, RANK_KILLED, SIGNATURES
from harness.errors import NotReady, QualificationError, RankFailed, StepEnded, VerdictClass
from tests.harness.pure.diagnosis_kit import AGG, known, raised, seen, unknown

SHOWED = Seen.of(StepEnded("agg-0 (step 7.1): rank 0 on node1: exit code 1", hint="see its log"))

FACTS = [
    known("cuda-no-device", 0.25, rank=9, node="node3"),
    raised("RuntimeError: Executor returned error", 1.5, rank=0),
    seen(RANK_ENDED, 2, rank=0, step=AGG, node="node1"),
]


def diagnosis(facts: list[Fact], showed: Seen = SHOWED) -> Diagnosis:
    found = diagnose(facts, showed)
    assert found is not None
    return found


def test_the_cause_stands_first_and_then_line_symptom_evidence_and_what_it_is_not() -> None:
    row = SIGNATURES.rows["cuda-no-device"]

    assert str(diagnosis(FACTS)).splitlines() == [
        f"rank 9 on node3 of agg-0: says cuda-no-device - {row.means}",
        "layer: engine; first seen at 18:52:53.250 UTC",
        "first line: err.log:2",
        "it showed as: agg-0 (step 7.1): rank 0 on node1: exit code 1",
        "evidence:",
        "  18:52:54.500 rank 0: RuntimeError: Executor returned error [err.log:15]",
        "  18:52:55.000 rank 0 on node1: says rank-ended [err.log:20]",
        f"this is not {row.isnt}",
    ]
    assert row.isnt.startswith("the fault of rank 0, which only hears of it: read the log")


def test_its_error_begins_with_how_it_showed_and_ends_with_what_comes_next_and_an_id() -> None:
    text = str(Diagnosed(diagnosis(FACTS), "cause-1")).splitlines()

    assert text[0].startswith("StepEnded [FAIL]: rank 9 on node3 of agg-0: says cuda-no-device")
    assert text[-2].startswith("next: compare CUDA_VISIBLE_DEVICES of that rank")
    assert text[-1] == "cause id: cause-1"


@pytest.mark.parametrize(
    ("cause", "verdict_class"),
    [
        (seen(NODE_UNFIT, 0, node="node3"), VerdictClass.INFRA),
        (known("config-key", 0, rank=3), VerdictClass.CONFIG),
        (raised("ValueError: x", 0, rank=3), VerdictClass.FAIL),
        (replace(known("pyxis", 0, rank=4), verdict_class="INFRA"), VerdictClass.INFRA),
    ],
    ids=["a node", "a line that is known", "a line that is not", "a fact with a word of its own"],
)
def test_the_class_is_the_causes_or_else_that_of_the_symptom(
    cause: Fact, verdict_class: VerdictClass
) -> None:
    found = diagnosis([cause, seen(RANK_ENDED, 1, rank=0, step=AGG)])

    assert found.first is cause
    assert Diagnosed(found, "cause-1").verdict_class is verdict_class


def test_the_hint_of_the_symptom_is_the_advice_where_the_cause_has_none() -> None:
    assert diagnosis([FACTS[2]]).advice == "see its log"
    assert "kernel log" in diagnosis([seen(RANK_KILLED, 0, rank=3, step=AGG)]).advice


def test_the_words_of_an_end_name_rank_and_node_themselves() -> None:
    end = replace(
        seen(RANK_KILLED, 0, rank=3, step=AGG, node="node1"), words="rank 3 on node1: SIGKILL"
    )

    assert diagnosis([end]).cause == "agg-0: rank 3 on node1: SIGKILL"


def test_a_node_that_names_itself_is_named_once() -> None:
    down = replace(seen(NODE_UNFIT, 0, node="node3"), words="node3 is down (state DOWN)")

    assert diagnosis([down]).cause == "node3 is down (state DOWN)"


def test_what_no_fact_explains_has_no_diagnosis() -> None:
    assert diagnose([], SHOWED) is None
    assert diagnose([raised("ValueError: x", 0, rank=3)], SHOWED) is None


def test_an_exception_explains_what_did_not_become_ready() -> None:
    facts = [raised("ValueError: x", 0, rank=3)]

    assert diagnosis(facts, Seen.of(NotReady("not registered after 1200 s"))).first is facts[0]


@pytest.mark.parametrize(
    "error",
    [
        StepEnded("agg-0 ended", hint="see its log"),
        NotReady("not registered"),
        AssertionError("12 of 12 requests failed"),
    ],
)
def test_what_was_seen_is_read_again_from_what_was_kept(error: Exception) -> None:
    showed = Seen.of(error)

    assert seen_from(json.loads(json.dumps(diagnosis(FACTS, showed).as_json(FACTS)))["seen"]) == (
        showed
    )
    assert showed.unready is isinstance(error, NotReady)
    assert showed.verdict_class is VerdictClass.FAIL


def test_a_diagnosis_is_made_again_from_its_own_facts() -> None:
    facts = [*FACTS, unknown("ERROR x", 0.1, rank=2), known("peers", 1, rank=1)]
    found = diagnosis(facts)
    kept = json.loads(json.dumps(found.as_json(facts)))

    again = diagnose([fact_from(fact) for fact in kept["facts"]], seen_from(kept["seen"]))
    assert again == found
    assert kept["cause"] == found.cause
    assert (kept["class"], kept["layer"]) == ("FAIL", "engine")


@given(
    st.builds(
        Fact,
        at=st.floats(0, 4e9),
        source=st.sampled_from(Source),
        layer=st.sampled_from(Layer),
        weight=st.sampled_from(Weight),
        words=st.text(),
        place=st.builds(Place, rank=st.none() | st.integers(0, 143), line=st.integers(0)),
        name=st.text(),
        verdict_class=st.sampled_from(["", *map(str, VerdictClass)]),
    )
)
def test_a_fact_is_read_again_from_what_was_kept(fact: Fact) -> None:
    assert fact_from(json.loads(json.dumps(fact.as_json()))) == fact


def test_layers_have_their_height_from_below() -> None:
    assert [layer.height for layer in Layer] == list(range(len(Layer)))
    assert Layer.NODE.height < Layer.ENGINE.height


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (Place(), ""),
        (Place("agg-0"), "agg-0"),
        (Place("agg-0", "7.1"), "agg-0 (step 7.1)"),
        (Place("agg-0", "7.1", "node3", 9), "rank 9 on node3 of agg-0 (step 7.1)"),
        (Place("agg-0", rank=0), "rank 0 of agg-0"),
        (Place(node="node3"), "node3"),
    ],
)
def test_a_place_says_what_is_known_of_it(place: Place, words: str) -> None:
    assert str(place) == words


def test_an_explained_error_is_a_named_error_of_this_suite() -> None:
    assert isinstance(Diagnosed(diagnosis(FACTS), "c"), QualificationError)
    assert Seen.of(RankFailed("x")).name == "RankFailed"
