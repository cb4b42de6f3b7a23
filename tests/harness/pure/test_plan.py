"""The plan of a run: placements and steps, made without a cluster."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.dynamo.plan import Plan, make_plan
from harness.errors import PlanError, SettingsError
from harness.settings import Settings
from harness.slurm.srun import StepSpec

NODES = ("node1", "node2", "node3", "node4")


def plan(
    *names: str, nodes: Sequence[str] = NODES, job_id: str = "453374", **changed: object
) -> Plan:
    return make_plan(
        names,
        Settings(image="/srv/images/dynamo.sqsh", **changed),
        nodes=nodes,
        head_address="10.77.0.1",
        run_id="20261123T120000-453374-ab12",
        job_id=job_id,
        log_root=Path("/runs/one/logs"),
    )


def steps(made: Plan, name: str = "agg") -> tuple[StepSpec, ...]:
    return made.deployment(name).steps


def test_the_aggregated_deployment_is_a_frontend_and_one_worker_over_all_nodes() -> None:
    frontend, worker = steps(plan("agg"))

    assert (frontend.nodes, frontend.tasks, frontend.mpi) == (("node1",), 1, "none")
    assert (worker.nodes, worker.tasks, worker.mpi) == (NODES, 16, "pmix")


def test_replicas_are_single_nodes_and_disjoint() -> None:
    _, *workers = steps(plan("agg-replicas"), "agg-replicas")

    assert [worker.nodes for worker in workers] == [(node,) for node in NODES]
    assert {worker.tasks for worker in workers} == {4}


def test_one_replica_starts_first() -> None:
    placement = plan("agg-replicas").deployment("agg-replicas").placement

    assert [[worker.name for worker in group] for group in placement.initial] == [["agg-0"]]


@pytest.mark.parametrize("head", NODES)
def test_ranks_follow_slurms_node_order_wherever_the_head_node_is(head: str) -> None:
    """srun numbers ranks along Slurm's order of the nodes, not along --nodelist."""
    head_first = (head, *(node for node in NODES if node != head))
    frontend, worker = steps(plan("agg", nodes=head_first))

    assert frontend.nodes == (head,)
    assert worker.nodes == NODES


def test_every_step_of_a_run_has_a_name_of_its_own_that_says_whose_it_is() -> None:
    made = plan("agg", "agg-replicas")
    names = [step.name for each in made.deployments for step in each.steps]

    assert len(set(names)) == len(names) == 7
    assert all(name.startswith("qualify-20261123T120000-453374-ab12-") for name in names)


def test_every_worker_has_shared_memory_names_of_its_own() -> None:
    made = plan("agg", "agg-replicas")
    prefixes = [
        step.variables["TRTLLM_EPLB_SHM_NAME"]
        for each in made.deployments
        for step in each.steps
        if step.mpi == "pmix"
    ]

    assert len(set(prefixes)) == len(prefixes) == 5
    assert all(prefix.startswith("moe_shared_") for prefix in prefixes)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ETCD_ENDPOINTS", "http://10.77.0.1:2379"),
        ("NATS_SERVER", "nats://10.77.0.1:4222"),
        ("HEAD_NODE", "node1"),
        ("HEAD_NODE_IP", "10.77.0.1"),
    ],
)
def test_every_step_is_told_where_the_services_are(variable: str, value: str) -> None:
    assert {step.variables[variable] for step in steps(plan("agg"))} == {value}


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MODEL_PATH", "org/model"),
        ("SERVED_MODEL_NAME", "served"),
        ("ENGINE_CONFIG", "/mnt/engine_configs/deepseek_r1/wide_ep/wide_ep_agg.yaml"),
        ("DISAGGREGATION_MODE", "prefill_and_decode"),
        ("WORKER_MODULE", "dynamo.trtllm"),
        ("HF_HOME", "/srv/hf"),
    ],
)
def test_the_worker_is_told_what_to_serve(variable: str, value: str) -> None:
    made = plan(
        "agg",
        model_path="org/model",
        served_model_name="served",
        environment={"HF_HOME": "/srv/hf"},
    )
    worker = steps(made)[1]

    assert worker.variables[variable] == value
    assert variable in next(word for word in worker.argv() if "container-env" in word)


def test_the_ports_of_the_settings_are_used() -> None:
    frontend = steps(plan("agg", dyn_http_port=18000, etcd_port=12379, nats_port=14222))[0]
    said = frontend.variables

    assert (said["DYN_HTTP_PORT"], said["ETCD_PORT"], said["NATS_PORT"]) == (
        "18000",
        "12379",
        "14222",
    )
    assert said["ETCD_ENDPOINTS"].endswith(":12379")


@pytest.mark.parametrize(
    ("name", "settings", "limit"),
    [
        ("agg-replicas", (3, 4), "3"),
        ("agg-replicas", (1, 4), "1"),
        ("agg-replicas", (0, 4), None),
        ("agg-replicas", (3, 1), None),
        ("agg", (3, 4), None),
        ("disagg-scaled", (3, 4), "3"),
    ],
)
def test_a_request_may_go_to_another_worker_where_there_are_several(
    name: str, settings: tuple[int, int], limit: str | None
) -> None:
    made = plan(name, migration_limit=settings[0], max_replicas=settings[1])
    frontend = steps(made, name)[0]

    assert frontend.variables.get("DYN_MIGRATION_LIMIT") == limit


def test_scripts_logs_and_the_sites_mounts_are_mounted() -> None:
    worker = steps(plan("agg", mounts="/repo:/mnt", extra_mounts="/srv:/srv"))[1]
    mounts = next(word for word in worker.argv() if "container-mounts" in word)

    assert mounts.startswith("--container-mounts=/repo:/mnt,/srv:/srv,")
    assert ":/qualify/scripts:ro," in mounts
    assert mounts.endswith("/runs/one/logs/agg:/qualify/logs")


def test_too_few_nodes_are_refused() -> None:
    with pytest.raises(PlanError, match="topology agg needs 4 nodes"):
        plan("agg", nodes=NODES[:2])


def test_an_unknown_topology_is_refused_with_the_known_ones() -> None:
    with pytest.raises(PlanError, match="no topology is called 'ag'; known: agg, agg-replicas"):
        plan("ag")


def test_a_malformed_mount_is_refused() -> None:
    with pytest.raises(SettingsError, match="MOUNTS: `mnt` is not a mount"):
        steps(plan("agg", mounts="mnt"))


def test_an_unknown_release_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"DYNAMO_RELEASE='9\.9'.*known: .*1\.4\.2"):
        steps(plan("agg", dynamo_release="9.9"))


def test_the_plan_reads_as_placements_and_srun_lines() -> None:
    text = plan("agg", "agg-replicas").rendered()

    assert text.startswith("nodes: node[1-4] (4)\n")
    assert "  agg-0: aggregated, node[1-4], 16 ranks, /mnt/engine_configs/" in text
    assert text.count("    srun \\\n") == 7
    assert text.count("start_trtllm_worker.sh") == 5


def test_the_plan_is_kept_as_plain_values() -> None:
    made = plan("agg", start_timeout_s=1800, stop_timeout_s=120)
    [deployment] = json.loads(json.dumps(made.as_json()))["deployments"]

    assert deployment["workers"] == [{"name": "agg-0", "nodes": list(NODES), "ranks": 16}]
    assert deployment["budget_s"] == 1980
    assert [step["argv"] for step in deployment["steps"]] == [step.argv() for step in steps(made)]
