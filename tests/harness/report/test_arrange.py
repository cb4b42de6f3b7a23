"""How results are filed in the report."""

from __future__ import annotations

from typing import Any

import pytest

from reports.arrange import arranged, deployment_of, first_tests, group_of, title


def result(name: str = "test_x", description: str = "", **labels: str) -> dict[str, Any]:
    told = {"dynamo_topology": "agg", "dynamo_stage": "serve", "host": "node1", **labels}
    return {
        "uuid": name,
        "name": name,
        "description": description,
        "historyId": "h",
        "fullName": f"tests.agg.test_kv_cache.TestIdle#{name}",
        "labels": [{"name": each, "value": value} for each, value in told.items()],
        "start": 5,
    }


def labels(of: dict[str, Any]) -> dict[str, str]:
    return {label["name"]: label["value"] for label in of["labels"]}


def test_a_result_is_filed_by_topology_group_and_promise() -> None:
    made = arranged(
        result("test_x[a-1]", "Blocks come back. As measured.", suite="serve", thread="7")
    )

    assert made["name"] == "Blocks come back [a-1]"
    assert made["historyId"] == "h"
    assert labels(made) == {
        "dynamo_topology": "agg",
        "dynamo_stage": "serve",
        "host": "node1",
        "parentSuite": "agg",
        "suite": "kv cache",
        "subSuite": "idle",
        "thread": "agg",
    }
    assert len(made["labels"]) == len(labels(made))


def test_a_result_without_a_topology_stays_as_it_is() -> None:
    plain = {"name": "test_x", "labels": [{"name": "suite", "value": "s"}]}

    assert arranged(plain) == plain


@pytest.mark.parametrize(
    ("description", "shown"),
    [
        ("", "test_x[p]"),
        ("One is promised.", "One is promised [p]"),
        (
            "One v1.4 is promised\n   in two lines. It is so.",
            "One v1.4 is promised in two lines [p]",
        ),
        ("No end", "No end [p]"),
    ],
)
def test_a_promise_is_named_by_its_first_sentence(description: str, shown: str) -> None:
    assert title(result("test_x[p]", description)) == shown


@pytest.mark.parametrize(
    ("full_name", "group"),
    [
        ("tests.agg.test_kv_cache.TestIdle#test_x", ("kv cache", "idle")),
        ("tests.agg.test_streaming#test_x", ("streaming", "")),
        ("tests.agg.test_registration.TestRegistration#test_x", ("registration", "")),
        ("tests.agg.test_serving.TestToolCalls#test_x", ("serving", "tool calls")),
        ("test_tiny#test_one", ("tiny", "")),
    ],
)
def test_file_and_class_make_the_group(full_name: str, group: tuple[str, str]) -> None:
    assert group_of(full_name) == group


@pytest.mark.parametrize(
    ("stage", "row"), [("preflight", "preflight"), ("serve", "agg"), ("again", "agg-again")]
)
def test_the_timeline_has_a_row_a_deployment(stage: str, row: str) -> None:
    assert deployment_of({"dynamo_topology": "agg", "dynamo_stage": stage}) == row


def test_the_first_test_of_a_deployment_is_the_earliest() -> None:
    late = arranged({**result("test_late"), "start": 9})
    early = arranged({**result("test_early"), "start": 3})

    assert first_tests([late, early]) == {"agg": "test_early"}
