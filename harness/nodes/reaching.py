"""Whether the nodes of a deployment reach each other, before any engine is loaded.

KV caches travel from prefill to decode nodes; where they cannot, both sides load for many minutes
and the first request hangs. One step of the reach script tells within a second.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from harness.errors import InfraError, NodesApart
from harness.nodes.lines import read_output
from harness.nodes.snapshot import ProbeFailed
from harness.slurm.client import HOST_PATH, Slurm
from harness.slurm.nodelist import expand, fold
from harness.slurm.srun import StepSpec
from harness.slurm.words import fault_words

SCRIPT = Path(__file__).with_name("reach.py")

DEADLINE_S = 5.0
"""Seconds in which a node has to reach its peers, from its own start of the script.

Healthy nodes need milliseconds, and the time that their tasks start apart.
"""

START_S = 25.0
"""Seconds that the step may take beyond the deadline, to be started and to end."""

CANDIDATES = 3
"""Ports that are tried: one may be in somebody's use on one node."""

FIRST_PORT, LAST_PORT = 32768, 60999
"""Linux's range for ports nobody chose: what engines listen on for each other is from there too."""

SHOWN = 4
"""Broken pairs in words; the rest is counted."""

KV_HINT = "is a firewall or a route in the way? KV caches travel between these nodes"

Pair = tuple[str, str]
"""Who calls, and whom."""


@dataclass(frozen=True)
class Apart:
    """One direction that is broken: ``caller`` did not reach ``peer`` at ``address``."""

    caller: str
    peer: str
    address: str
    error: str
    after_s: float


@dataclass(frozen=True)
class Reached:
    """What the nodes said: milliseconds of one exchange for each pair, and the broken pairs."""

    exchange_ms: Mapping[Pair, float]
    apart: tuple[Apart, ...]


def pairs_between(one_side: Iterable[str], other_side: Iterable[str]) -> tuple[Pair, ...]:
    """Return the pairs of nodes of two sides, both directions of each; no node with itself."""
    there = [pair for pair in product(one_side, other_side) if pair[0] != pair[1]]
    both = [pair for caller, peer in there for pair in ((caller, peer), (peer, caller))]
    return tuple(dict.fromkeys(both))


def check_reachable(
    slurm: Slurm,
    pairs: Collection[Pair],
    *,
    addresses: Mapping[str, str],
    workers: Mapping[str, str],
    step_name: str,
    account: str = "",
    deadline_s: float = DEADLINE_S,
    hint: str = KV_HINT,
) -> Reached:
    """Let every caller of ``pairs`` reach its peer by TCP, in one step outside the container.

    ``addresses`` has the IPv4 address of every node of a pair, ``workers`` the names of what will
    run there, for messages. Raises :class:`NodesApart` for pairs that are broken, and
    :class:`~harness.errors.InfraError` for a node that gave no answer.
    """
    if not pairs:
        return Reached({}, ())
    nodes = expand(fold(node for pair in pairs for node in pair))
    spec = StepSpec(
        name=step_name,
        job_id=slurm.job_id,
        nodes=nodes,
        tasks_per_node=1,
        command=_command(pairs, {node: addresses[node] for node in nodes}, deadline_s=deadline_s),
        account=account,
    )
    text = SCRIPT.read_text(encoding="utf-8")
    done = slurm.run_step(spec, timeout_s=deadline_s + START_S, stdin=text, path=HOST_PATH)
    if done.returncode != 0:
        raise InfraError(
            f"the reach script on {fold(nodes)} ended with {done.returncode}: "
            f"{fault_words(done.stderr)}"
        )
    reached = parse_reached(done.stdout, pairs, addresses=addresses)
    if reached.apart:
        raise NodesApart(
            apart_words(reached.apart, of=len(pairs), workers=workers),
            hint=hint,
        )
    return reached


def parse_reached(text: str, pairs: Collection[Pair], *, addresses: Mapping[str, str]) -> Reached:
    """Read the standard output of the script's step.

    Raises :class:`ProbeFailed` that names every node which could not listen, or did not say of each
    of its peers whether it was reached.
    """
    output = read_output(text)
    answers = {str(document["node"]): document for document in output.documents}
    problems = list(output.broken)
    exchange_ms: dict[Pair, float] = {}
    apart: list[Apart] = []
    for node in dict.fromkeys(node for pair in pairs for node in pair):
        problems += _why_useless(node, answers.get(node))
    for caller, peer in pairs:
        answer = answers.get(caller, {})
        if peer in answer.get("reached", {}):
            exchange_ms[caller, peer] = float(answer["reached"][peer])
        elif peer in answer.get("failed", {}):
            failed = answer["failed"][peer]
            after_s = float(failed["after_s"])
            apart.append(Apart(caller, peer, addresses[peer], str(failed["error"]), after_s))
        elif answer:
            problems.append(f"{caller} says nothing of {peer}")
    if problems:
        raise ProbeFailed(
            f"whether nodes reach each other is not known: {'; '.join(problems)}",
            hint="is python3 on every node, and can `srun --overlap` start a task on each?",
        )
    return Reached(exchange_ms, tuple(apart))


def apart_words(apart: Sequence[Apart], *, of: int, workers: Mapping[str, str]) -> str:
    """Return the broken pairs as one text: the first in words, the rest as a number.

    Plain timeouts come last: a node without a way back lets its callers time out, and says itself
    what is wrong. ``of`` counts all pairs that were tried.
    """
    ordered = sorted(apart, key=lambda each: each.error == "timed out")
    told = [_one_apart(each, workers) for each in ordered[:SHOWN]]
    if len(apart) > SHOWN:
        told.append(f"and {len(apart) - SHOWN} more")
    if len(apart) > 1:
        common = set.intersection(*({each.caller, each.peer} for each in apart))
        shared = f", all with {_named(common.pop(), workers)}" if len(common) == 1 else ""
        told.append(f"{len(apart)} of {of} directions are broken{shared}")
    return "; ".join(told)


def _one_apart(each: Apart, workers: Mapping[str, str]) -> str:
    return (
        f"{_named(each.caller, workers)} does not reach {_named(each.peer, workers)} "
        f"at {each.address}: {each.error} after {each.after_s:.1f} s"
    )


def _named(node: str, workers: Mapping[str, str]) -> str:
    return f"{node} ({workers[node]})" if node in workers else node


def _why_useless(node: str, answer: Mapping[str, Any] | None) -> list[str]:
    """Return why a node's part in the meeting proves nothing; empty if it does."""
    if answer is None:
        return [f"{node} gave no answer"]
    if not answer.get("listening"):
        ports = ", ".join(f"{port} ({why})" for port, why in answer.get("deaf", {}).items())
        return [f"{node} could not listen on any of the ports {ports}"]
    return []


def _command(
    pairs: Collection[Pair], addresses: Mapping[str, str], *, deadline_s: float
) -> tuple[str, ...]:
    ports = {FIRST_PORT + secrets.randbelow(LAST_PORT - FIRST_PORT + 1) for _ in range(CANDIDATES)}
    return (
        "python3",
        "-I",
        "-S",
        "-",
        "--token",
        secrets.token_hex(8),
        "--ports",
        ",".join(map(str, sorted(ports))),
        "--addresses",
        ",".join(f"{node}={address}" for node, address in addresses.items()),
        "--pairs",
        ",".join(f"{caller}:{peer}" for caller, peer in pairs),
        "--deadline-s",
        str(deadline_s),
    )
