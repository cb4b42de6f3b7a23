"""Questions to Slurm, and whether the head node is reached at its address."""

from __future__ import annotations

from functools import partial

from harness.deadline import Deadline, wait_until
from harness.dynamo.budget import budget_words, too_little_time
from harness.dynamo.head_address import wrong_address
from harness.dynamo.launch import MPI_TYPE
from harness.errors import EnvironmentUnfit, LaunchUnfit, NodeUnfit
from harness.fitness.question import Asked, Asks, Fit, Question, refuse
from harness.nodes.reaching import check_reachable
from harness.slurm.node_words import NodeRow

SETTLE_S = 60.0
"""Seconds for nodes to register with a controller that has just been started."""

HEAD_HINT = "HEAD_NODE_IP gives an address of the head node that every node reaches"


def slurm_asks(asked: Asked) -> Asks:
    """Return the questions."""
    return {
        Question.STATES: partial(_states, asked),
        Question.MPI: partial(_mpi, asked),
        Question.HEAD: partial(_head, asked),
        Question.WALLTIME: partial(_walltime, asked),
    }


def _states(asked: Asked) -> Fit:
    nodes = asked.plan.nodes
    rows: dict[str, NodeRow] = {}

    def settled() -> bool:
        rows.update({row.name: row for row in asked.slurm.nodes(nodes)})
        return not any(row.unsettled for row in rows.values())

    wait_until(settled, Deadline.after(SETTLE_S), poll_s=1.0)
    wrong = [f"{node} is not known to Slurm" for node in nodes if node not in rows]
    wrong += [row.why_unfit for row in rows.values() if row.why_unfit]
    refuse(wrong, NodeUnfit, hint="take other nodes, or have these resumed; see `sinfo -R`")
    return Fit()


def _mpi(asked: Asked) -> Fit:
    types = asked.slurm.mpi_types()
    wrong = [] if MPI_TYPE in types else [f"expected {MPI_TYPE} among the MPI plugins, {types}"]
    refuse(wrong, LaunchUnfit, hint="Slurm's mpi/pmix plugin is missing or does not load")
    return Fit()


def _head(asked: Asked) -> Fit:
    nodes = asked.baseline().nodes
    context = asked.plan.deployments[0].context
    head, address = context.head_node, context.head_address
    own = nodes[head].addresses
    refuse(wrong_address(address, head=head, own=own), EnvironmentUnfit, hint=HEAD_HINT)
    check_reachable(
        asked.slurm,
        [(node, head) for node in asked.plan.nodes if node != head],
        addresses={**dict.fromkeys(asked.plan.nodes, ""), head: address},
        workers={head: "etcd, NATS and the frontend"},
        step_name=f"qualify-{asked.directory.run_id}-reach-head",
        account=asked.settings.account,
        hint=HEAD_HINT,
    )
    return Fit(said=(f"{address}, one of {', '.join(own or ('addresses that are not known',))}",))


def _walltime(asked: Asked) -> Fit:
    left_s = asked.slurm.seconds_left()
    refuse(
        too_little_time(asked.plan, left_s),
        EnvironmentUnfit,
        hint="take a longer allocation (salloc --time), or lower START_TIMEOUT_S",
    )
    return Fit(said=(budget_words(asked.plan, left_s),))
