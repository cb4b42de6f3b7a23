"""What broke first, of all that was seen. The scenarios are those of shared field experience."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.diagnosis.cause import evidence, first_cause
from harness.diagnosis.facts import Fact
from harness.diagnosis.signatures import (
    GPU_HELD,
    GPU_LEFT,
    HANG,
    INSTANCE_GONE,
    JOB_ENDED,
    NODE_SILENT,
    NODE_UNFIT,
    RANK_ENDED,
    RANK_KILLED,
    RANK_STOPPED,
    SERVICE_SILENT,
    SIGNATURES,
    STEP_CANCELLED,
    STEP_ENDED,
)
from tests.harness.pure.diagnosis_kit import AGG, FRONTEND, known, raised, seen, unknown


@dataclass(frozen=True)
class Scenario:
    """What was seen, the first cause first among the facts if there is one."""

    name: str
    facts: Sequence[Fact]
    unready: bool = False
    caused: bool = True

    @property
    def cause(self) -> Fact | None:
        """The fact that has to be found."""
        return self.facts[0] if self.caused else None


SCENARIOS = [
    Scenario(
        "the loudest error is not the first",
        [
            raised("ValueError: Free memory is less than desired", 0, rank=3),
            *(known("peers", 7 + rank / 10, rank=rank) for rank in range(16) if rank != 3),
            raised("RuntimeError: NCCL communicator was aborted", 9, rank=0),
            seen(RANK_ENDED, 9.5, rank=0, step=AGG),
        ],
    ),
    Scenario(
        "the leader ends because of rank 9",
        [
            raised("KeyError: 'moe_config'", 0, rank=9),
            raised("RuntimeError: Executor worker returned error", 1.5, rank=0),
            seen(RANK_ENDED, 2, rank=0, step=AGG),
        ],
    ),
    Scenario(
        "the leader ends because of a GPU of rank 9",
        [
            known("cuda-no-device", 0, rank=9),
            raised("RuntimeError: Executor worker returned error", 1.5, rank=0),
            known("engine-unhealthy", 1.6, rank=0),
            seen(RANK_ENDED, 2, rank=0, step=AGG),
        ],
    ),
    Scenario(
        "rank 3 is killed and the leader prints tracebacks after it",
        [
            seen(RANK_KILLED, 0, rank=3, step=AGG),
            known("peers", 0.1, rank=1),
            known("cuda-fatal", 0.4, rank=0),
            raised("RuntimeError: lost connection to a rank", 0.5, rank=0),
            known("engine-unhealthy", 0.6, rank=0),
        ],
    ),
    Scenario(
        "a harmless error line before a kill",
        [
            seen(RANK_KILLED, 0, rank=3, step=AGG),
            unknown("ERROR could not publish metrics", -10, rank=3),
            unknown("ERROR could not publish metrics", -10, rank=0),
        ],
    ),
    Scenario(
        "an exception of another rank before a kill",
        [
            seen(RANK_KILLED, 0, rank=3, step=AGG),
            raised("TimeoutError: retrying", -10, rank=0),
        ],
    ),
    Scenario(
        "a bus error of the rank that a signal ended",
        [
            known("bus-error", -0.2, rank=3),
            seen(RANK_KILLED, 0, rank=3, step=AGG),
            raised("RuntimeError: a rank has gone", -0.1, rank=0),
        ],
    ),
    Scenario(
        "the killed rank's own exception",
        [
            raised("terminate called after throwing an instance of 'std::bad_alloc'", -1, rank=3),
            seen(RANK_KILLED, 0, rank=3, step=AGG),
        ],
    ),
    Scenario(
        "the killed rank's exception of long ago",
        [
            seen(RANK_KILLED, 0, rank=3, step=AGG),
            raised("ImportError: no flash_attn", -300, rank=3),
        ],
    ),
    Scenario(
        "a GPU that failed before a rank of another node was killed",
        [
            known("gpu-hardware", -5, rank=3, node="node1"),
            seen(RANK_KILLED, 0, rank=7, step=AGG),
        ],
    ),
    Scenario(
        "what another rank got over long before a kill",
        [
            seen(RANK_KILLED, 0, rank=7, step=AGG),
            known("kv-transfer", -300, rank=1),
        ],
    ),
    Scenario(
        "what another rank said clearly before a kill",
        [
            known("kv-transfer", -5, rank=1),
            seen(RANK_KILLED, 0, rank=7, step=AGG),
            raised("terminate called after throwing an instance of 'X'", -0.5, rank=7),
        ],
    ),
    Scenario(
        "the host's memory explains a kill, though told of later",
        [
            known("oom-kill", 1, rank=4),
            seen(RANK_KILLED, 0, rank=5, step=AGG),
        ],
    ),
    Scenario(
        "a rank that ended with a code and said nothing",
        [seen(RANK_ENDED, 0, rank=3, step=AGG), known("peers", 0.1, rank=0)],
    ),
    Scenario(
        "a rank that ended with a code after an error line",
        [
            unknown("bash: /mnt/start.sh: No such file or directory", -1, rank=3),
            seen(RANK_ENDED, 0, rank=3, step=AGG),
        ],
    ),
    Scenario(
        "an exception says more than an error line before it",
        [
            raised("KeyError: 'x'", -1, rank=3),
            unknown("ERROR could not publish metrics", -4, rank=0),
            seen(RANK_ENDED, 0, rank=3, step=AGG),
        ],
    ),
    Scenario(
        "error lines of long ago, one of just before the end",
        [
            raised("KeyError: 'x'", -1, rank=3),
            raised("ImportError: optional", -600, rank=3),
            seen(RANK_ENDED, 0, rank=3, step=AGG),
        ],
    ),
    Scenario(
        "what another step says after the end is no cause of it",
        [
            seen(STEP_ENDED, 0, step=AGG),
            known("model-not-added", 0.5, step=FRONTEND),
        ],
    ),
    Scenario(
        "the job ended, and with it every step",
        [
            seen(JOB_ENDED, 3),
            seen(STEP_CANCELLED, 0, step=AGG),
            seen(RANK_KILLED, 0, step=FRONTEND),
            known("peers", 0, rank=0),
        ],
    ),
    Scenario(
        "the walltime ended the job",
        [known("time-limit", 0, rank=0), seen(JOB_ENDED, -1), seen(RANK_KILLED, -1, step=AGG)],
    ),
    Scenario(
        "a node went down, and the job with it",
        [
            seen(NODE_UNFIT, 200, node="node3"),
            seen(JOB_ENDED, 190),
            known("peers", 0, rank=1),
            seen(RANK_KILLED, 1, step=AGG, rank=1),
        ],
    ),
    Scenario(
        "a lost node that srun told of",
        [known("node-failure", 5), seen(JOB_ENDED, 4), known("cuda-fatal", 0, rank=2)],
    ),
    Scenario(
        "somebody cancelled a step",
        [seen(STEP_CANCELLED, 0, step=AGG), known("peers", 0.1, rank=0)],
    ),
    Scenario(
        "etcd ended, and workers lost their leases",
        [
            known("service-ended", 0, step=FRONTEND),
            *(known("lease-lost", -0.5 + rank, rank=rank) for rank in range(4)),
            known("frontend-ended", 0.2, step=FRONTEND),
            seen(STEP_ENDED, 1, step=FRONTEND),
        ],
    ),
    Scenario(
        "a lost lease ended the frontend",
        [
            known("lease-lost", 0, step=FRONTEND),
            known("frontend-ended", -0.1, step=FRONTEND),
            seen(STEP_ENDED, 1, step=FRONTEND),
        ],
    ),
    Scenario(
        "a frozen etcd, and workers that lost their leases first",
        [
            seen(SERVICE_SILENT, 9),
            known("lease-lost", 2, rank=0),
            known("etcd-not-reached", 1, rank=1),
        ],
    ),
    Scenario(
        "the frontend ended by itself",
        [known("frontend-ended", 0, step=FRONTEND), seen(RANK_ENDED, 0.2, rank=0, step=FRONTEND)],
    ),
    Scenario(
        "a stranger's GPU memory explains a lack of it",
        [
            seen(GPU_HELD, 30, node="node3"),
            known("gpu-out-of-memory", 0, rank=9),
            seen(RANK_ENDED, 1, rank=0, step=AGG),
        ],
    ),
    Scenario(
        "what an earlier worker left explains a lack of GPU memory",
        [seen(GPU_LEFT, 30, node="node3"), known("gpu-out-of-memory", 0, rank=9)],
    ),
    Scenario(
        "a lack of GPU memory that nobody else explains",
        [
            known("gpu-out-of-memory", 0, rank=9),
            raised("RuntimeError: Executor worker returned error", 1.5, rank=0),
            seen(RANK_ENDED, 2, rank=0, step=AGG),
        ],
    ),
    Scenario(
        "Pyxis, and the tasks that end because of it",
        [known("pyxis", 1, rank=4), seen(RANK_ENDED, 0, rank=4, step=AGG)],
    ),
    Scenario("a hang", [seen(HANG, 0)]),
    Scenario(
        "a hang behind a stopped rank",
        [seen(RANK_STOPPED, 9, rank=3, step=AGG), seen(HANG, 0)],
    ),
    Scenario("a hang behind a silent node", [seen(NODE_SILENT, 9, node="node2"), seen(HANG, 0)]),
    Scenario(
        "a hang that the engine has told of later",
        [known("kv-transfer", 5, rank=0), seen(HANG, 0)],
    ),
    Scenario(
        "an instance that is gone, by the worker's own words",
        [known("lease-lost", 1, rank=0), seen(INSTANCE_GONE, 0, step=AGG)],
    ),
    Scenario("an instance that is gone", [seen(INSTANCE_GONE, 0, step=AGG)]),
    Scenario(
        "unready, with an exception of a rank that lives",
        [
            raised("ValueError: Free memory is less than desired", 0, rank=3),
            unknown("ERROR something", -1, rank=3),
            raised("RuntimeError: later", 4, rank=0),
        ],
        unready=True,
    ),
    Scenario("unready, with a peer's word alone", [known("peers", 0, rank=1)], unready=True),
    Scenario(
        "ready, with an exception of a rank that lives",
        [raised("ValueError: handled", 0, rank=3)],
        caused=False,
    ),
    Scenario(
        "unready, with an error line of a rank that lives",
        [unknown("ERROR something", 0, rank=3)],
        unready=True,
        caused=False,
    ),
    Scenario("a peer's word alone", [known("peers", 0, rank=1)], caused=False),
    Scenario("nothing is broken", [], caused=False),
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[each.name for each in SCENARIOS])
def test_the_first_cause_is_found(scenario: Scenario) -> None:
    assert first_cause(scenario.facts, unready=scenario.unready) is scenario.cause


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[each.name for each in SCENARIOS])
@given(data=st.data())
def test_the_order_in_which_facts_are_given_does_not_matter(
    scenario: Scenario, data: st.DataObject
) -> None:
    facts = data.draw(st.permutations(scenario.facts))

    cause = first_cause(facts, unready=scenario.unready)
    assert cause is scenario.cause
    assert evidence(facts, cause) == evidence(scenario.facts, cause)


@given(
    facts=st.lists(
        st.builds(
            known,
            st.sampled_from(sorted(SIGNATURES.rows)),
            st.sampled_from([0.0, 0.5, 3.0]),
            rank=st.sampled_from([None, 0, 1]),
            step=st.sampled_from([AGG, FRONTEND]),
        )
        | st.builds(raised, st.sampled_from("ab"), st.just(0.0), rank=st.sampled_from([0, 1])),
        max_size=6,
        unique=True,
    ),
    unready=st.booleans(),
    data=st.data(),
)
def test_facts_of_one_moment_have_one_first_cause(
    facts: list[Fact], unready: bool, data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(facts))

    assert first_cause(shuffled, unready=unready) == first_cause(facts, unready=unready)


def test_evidence_is_in_order_of_time_without_the_cause_and_once_a_place() -> None:
    cause = known("bus-error", 1, rank=3)
    twice = [unknown("ERROR one", 0, rank=2), unknown("ERROR two", 4, rank=2)]
    others = [known("peers", 3, rank=1), seen(RANK_KILLED, 2, rank=3, step=AGG)]

    shown = evidence([cause, *others, *twice], cause)
    assert [fact.words for fact in shown] == ["ERROR one", "says rank-killed", "says peers"]
    assert all(one.at <= two.at for one, two in pairwise(shown))


def test_evidence_of_the_causes_own_step_comes_before_that_of_others() -> None:
    cause = known("bus-error", 5, rank=3)
    elsewhere = [unknown("ERROR", at, rank=at, step="agg-1") for at in range(8)]
    own = [known("peers", 6 + rank, rank=rank) for rank in range(2)]

    assert set(own) <= set(evidence([*elsewhere, cause, *own], cause, most=4))
