"""Pure: whether the parts of a deployment would ask a proxy for each other.

They speak HTTP to each other by address. Dynamo 1.4.2's frontend fetches a model's files from the
leader of its worker (``http://<address>:<port>/v1/metadata/...``, also where DYN_SYSTEM_PORT is 0):
with a proxy in between the model is never listed, and the frontend's log alone says why.

What covers an address is what covers it for Dynamo's own client (reqwest 0.12 and 0.13, both by
hyper-util 0.1.20; each line was tried with Dynamo 1.4.2 on the testbed): NO_PROXY, or no_proxy
where that is not set at all; in it, between commas, the address itself or a network such as
``10.77.0.0/16``. Neither ``*`` (names alone), ``10.77.`` nor ``10.77.0.1:9090`` covers one. Others
read it otherwise, and call nobody by address: for Go, curl and Python a ``*`` covers everything,
Python and curl read no_proxy first, its urllib takes the ends of addresses, and neither that nor
httpx knows networks. https_proxy alone does no harm: nothing here is ``https://``.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.dynamo.plan import Plan
from harness.dynamo.rehearsal import RankAnswer, Rehearsal
from harness.nodes.snapshot import Snapshot
from harness.slurm.nodelist import fold

PROXIES = ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
"""Variables that name a proxy for ``http://``; https_proxy is for ``https://`` alone."""

EXCEPT = ("NO_PROXY", "no_proxy")
"""Variables that except hosts from it; the first that is set is read, also if it is empty."""

SHOWN = 4
"""Places in words; the rest is counted."""

_PASSWORD = re.compile(r"^(\w+://)?.*@")
_NETWORK = re.compile(r"[0-9a-fA-F.:]+(/\d+)?")


@dataclass(frozen=True)
class Place:
    """Where a part of a deployment is called: a node, and the addresses of which one is used."""

    node: str
    addresses: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.node} ({' or '.join(self.addresses)})"


def called_places(plan: Plan, baseline: Snapshot) -> tuple[Place, ...]:
    """Return the head node at its planned address, and the node of each worker's leader.

    Which of a node's addresses a leader takes is its own affair: one that is covered is enough.
    """
    context = plan.deployments[0].context
    places = {Place(context.head_node, (context.head_address,)): None}
    for node in dict.fromkeys(worker.leader_node for worker in plan.workers):
        own = baseline.nodes[node].addresses or ()
        away = tuple(each for each in own if not ipaddress.ip_address(each).is_loopback)
        if away and (node, away) != (context.head_node, (context.head_address,)):
            places[Place(node, away)] = None
    return tuple(places)


def without_password(value: str) -> str:
    """Return a proxy's URL without user and password."""
    return _PASSWORD.sub(r"\1...@", value)


def covers(exceptions: str, host: str) -> bool:
    """Return whether a value of NO_PROXY keeps requests to a host, by address or name, direct."""
    return any(_excepts(entry.strip(), host) for entry in exceptions.split(","))


def _excepts(entry: str, host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = entry.lower().lstrip(".")
        return entry == "*" or (name != "" and f".{host.lower()}".endswith(f".{name}"))
    try:
        network = ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False
    return _NETWORK.fullmatch(entry) is not None and address in network


def proxied_places(rehearsal: Rehearsal, places: Sequence[Place]) -> Iterator[str]:
    """Yield which proxies reach the ranks and stand between them and which of the places."""
    seen: dict[tuple[tuple[str, str], ...], set[str]] = {}
    for each in rehearsal.answers:
        seen.setdefault(tuple(_proxy_variables(each).items()), set()).add(each.host)
    for variables, hosts in seen.items():
        yield from _proxied(dict(variables), hosts, places)


def _proxied(
    variables: Mapping[str, str], hosts: set[str], places: Sequence[Place]
) -> Iterator[str]:
    proxies = [
        f"{name}={without_password(variables[name])}" for name in PROXIES if variables.get(name)
    ]
    name = next((name for name in EXCEPT if name in variables), "")
    asked = [each for each in places if not _direct(each, variables.get(name, ""))]
    if not proxies or not asked:
        return
    shown = ", ".join(map(str, asked[:SHOWN]))
    more = f" and {len(asked) - SHOWN} more" if len(asked) > SHOWN else ""
    without = f"{name}={variables[name]} does not cover them" if name else "no_proxy is not set"
    yield (
        f"{' and '.join(proxies)} in the containers of {fold(sorted(hosts))}: who calls "
        f"{shown}{more} from there asks the proxy, {without}"
    )


def _direct(place: Place, exceptions: str) -> bool:
    return any(covers(exceptions, address) for address in place.addresses)


def _proxy_variables(answer: RankAnswer) -> dict[str, str]:
    """Return the variables of proxies that a rank has, planned or not."""
    planned = {name: value for name, value in answer.variables.items() if value is not None}
    has = {**planned, **answer.injected}
    return {name: has[name] for name in (*PROXIES, *EXCEPT) if name in has}
