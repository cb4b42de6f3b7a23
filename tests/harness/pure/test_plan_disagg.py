"""The plan of prefill and decode workers: where, in which order, and by which flags."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.dynamo.plan import Plan, make_plan
from harness.errors import PlanError, SettingsError
from harness.settings import Settings, load_settings
from harness.topology import Role, WorkerPlacement

NODES = tuple(f"node{number}" for number in range(1, 9))
SMALL = {"num_prefill_nodes": 1, "num_decode_nodes": 1}


def plan(name: str, nodes: int = 8, **changed: object) -> Plan:
    return make_plan(
        [name],
        Settings(image="/srv/images/dynamo.sqsh", **changed),
        nodes=NODES[:nodes],
        head_address="10.77.0.1",
        run_id="20261123T120000-453374-ab12",
        job_id="453374",
        log_root=Path("/runs/one/logs"),
    )


def workers(made: Plan) -> tuple[WorkerPlacement, ...]:
    [deployment] = made.deployments
    return deployment.placement.workers


def test_the_seeds_deployment_is_two_workers_of_four_nodes_each() -> None:
    made = plan("disagg")

    assert [(each.name, each.nodes, each.world_size) for each in workers(made)] == [
        ("prefill-0", NODES[:4], 16),
        ("decode-0", NODES[4:], 16),
    ]
    assert [step.tasks for step in made.deployments[0].steps] == [1, 16, 16]


def test_replicas_of_both_roles_take_nodes_of_their_own() -> None:
    made = plan("disagg", 4, **SMALL, num_prefill_workers=2, num_decode_workers=2)

    assert [each.name for each in workers(made)] == [
        "prefill-0",
        "prefill-1",
        "decode-0",
        "decode-1",
    ]
    assert sorted(node for each in workers(made) for node in each.nodes) == sorted(NODES[:4])


@pytest.mark.parametrize(
    ("name", "widths"),
    [
        ("disagg-small", {"prefill": [1], "decode": [1]}),
        ("disagg-scaled", {"decode": [1, 1], "prefill": [1, 1]}),
        ("disagg-mixed", {"prefill": [2], "decode": [1, 1]}),
    ],
)
def test_small_topologies_fit_four_nodes(name: str, widths: dict[str, list[int]]) -> None:
    placed = workers(plan(name, 4))

    assert {
        role: [len(each.nodes) for each in placed if each.role.value == role] for role in widths
    } == widths


@pytest.mark.parametrize(
    ("name", "first"), [("disagg-small", Role.PREFILL), ("disagg-scaled", Role.DECODE)]
)
def test_roles_in_turn_start_in_groups(name: str, first: Role) -> None:
    [deployment] = plan(name, 4).deployments
    groups = [{each.role for each in group} for group in deployment.placement.initial]

    assert groups == [{first}, {Role.PREFILL, Role.DECODE} - {first}]
    assert deployment.budget_s > plan("disagg").deployments[0].budget_s


def test_too_few_nodes_are_counted_by_role() -> None:
    with pytest.raises(PlanError, match=r"needs 8 nodes \(1 prefill x 4 \+ 1 decode x 4\)"):
        plan("disagg", 7)


@pytest.mark.parametrize(
    "name", ["NUM_PREFILL_WORKERS", "NUM_DECODE_WORKERS", "NUM_PREFILL_NODES", "NUM_DECODE_NODES"]
)
def test_a_role_without_a_replica_or_a_node_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name}='0'"):
        load_settings({}, {name: "0"})


def test_each_worker_is_told_its_mode_and_its_config() -> None:
    _, prefill, decode = plan("disagg").deployments[0].steps

    assert (prefill.variables["DISAGGREGATION_MODE"], decode.variables["DISAGGREGATION_MODE"]) == (
        "prefill",
        "decode",
    )
    assert prefill.variables["ENGINE_CONFIG"].endswith("wide_ep_prefill.yaml")
    assert decode.variables["ENGINE_CONFIG"].endswith("wide_ep_decode.yaml")


@pytest.mark.parametrize(
    ("release", "flags"),
    [
        ("0.6.1", "--disaggregation-strategy prefill_first --publish-events-and-metrics"),
        ("1.4.2", "--publish-events-and-metrics"),
    ],
)
def test_only_a_release_that_has_the_strategy_flag_is_given_it(release: str, flags: str) -> None:
    made = plan("disagg", dynamo_release=release, disaggregation_strategy="prefill_first")

    assert {step.variables["WORKER_FLAGS"] for step in made.deployments[0].steps[1:]} == {flags}


def test_without_a_port_workers_tell_no_metrics() -> None:
    steps = plan("disagg", dyn_system_port=0).deployments[0].steps[1:]

    assert {step.variables["WORKER_FLAGS"] for step in steps} == {""}
    assert not any("DYN_SYSTEM_PORT" in step.variables for step in steps)


def test_a_later_start_of_a_replica_has_a_label_of_its_own() -> None:
    [first, *_] = workers(plan("disagg-small", 4))
    again = WorkerPlacement(**{**vars(first), "start": 2})

    assert (first.label, again.label, again.name) == ("prefill-0", "prefill-0.2", "prefill-0")
