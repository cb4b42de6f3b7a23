"""Whether a proxy stands between the parts of a deployment, as Dynamo's own client reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from harness.dynamo.proxies import Place, covers, proxied_places, without_password
from harness.dynamo.rehearsal import RankAnswer, Rehearsal
from harness.slurm.srun import StepSpec

SPEC = StepSpec("rehearsal", "7", ("node1", "node2"), 1, ())
PLACES = (Place("node1", ("10.77.0.1",)), Place("node2", ("10.77.0.2", "192.168.0.2")))
CALLS = (
    "who calls node1 (10.77.0.1), node2 (10.77.0.2 or 192.168.0.2) from there asks the proxy, "
    "no_proxy is not set"
)
PROXY = "http://10.77.0.99:3128"


def rehearsal(*injected: Mapping[str, str]) -> Rehearsal:
    """Return a rank on each node, with these variables."""
    plain = RankAnswer("", 0, 2, 0, "slurm.pmix.7.0", {}, {}, None)
    ranks = [
        replace(plain, host=host, injected=variables)
        for host, variables in zip(SPEC.nodes, injected, strict=True)
    ]
    return Rehearsal(SPEC, tuple(ranks))


def told(**variables: str) -> list[str]:
    """Return what is told of variables that reach every rank."""
    return list(proxied_places(rehearsal(variables, variables), PLACES))


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_proxy_without_an_exception_is_told_with_nodes_and_addresses(name: str) -> None:
    assert told(**{name: PROXY}) == [f"{name}={PROXY} in the containers of node[1-2]: {CALLS}"]


def test_a_password_is_not_told() -> None:
    assert without_password("http://me:p@ss/w@proxy:3128") == "http://...@proxy:3128"
    assert without_password("me:secret@proxy:3128") == "...@proxy:3128"
    assert "secret" not in told(http_proxy="http://me:secret@proxy:3128")[0]


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"http_proxy": ""},
        {"https_proxy": PROXY},
        {"http_proxy": PROXY, "no_proxy": "localhost, 10.77.0.1 ,10.77.0.2"},
        {"http_proxy": PROXY, "no_proxy": "10.77.0.1,192.168.0.0/16"},
        {"HTTP_PROXY": PROXY, "NO_PROXY": "10.0.0.0/8", "no_proxy": "localhost"},
    ],
)
def test_what_reaches_every_place_directly_is_no_harm(variables: dict[str, str]) -> None:
    """Of a node with several addresses one is enough: nobody knows which is called."""
    assert told(**variables) == []


def test_only_the_places_that_are_not_covered_are_told() -> None:
    [sentence] = told(http_proxy=PROXY, no_proxy="localhost,10.77.0.1")

    assert "who calls node2 (10.77.0.2 or 192.168.0.2) from there asks the proxy" in sentence
    assert "no_proxy=localhost,10.77.0.1 does not cover them" in sentence


def test_no_proxy_in_capitals_hides_the_other_also_when_it_is_empty() -> None:
    [sentence] = told(http_proxy=PROXY, NO_PROXY="", no_proxy="10.0.0.0/8")

    assert "NO_PROXY= does not cover them" in sentence


def test_a_proxy_of_one_node_is_that_nodes() -> None:
    """A hook of its container runtime sets it."""
    [sentence] = proxied_places(rehearsal({}, {"http_proxy": PROXY}), PLACES)

    assert f"http_proxy={PROXY} in the containers of node2: " in sentence


def test_a_planned_proxy_counts_as_well() -> None:
    ranks = rehearsal({}, {})
    planned = [replace(each, variables={"http_proxy": PROXY}) for each in ranks.answers]

    assert list(proxied_places(Rehearsal(SPEC, tuple(planned)), PLACES))


def test_many_places_are_counted() -> None:
    many = [Place(f"node{at}", (f"10.77.0.{at}",)) for at in range(1, 8)]

    [sentence] = proxied_places(rehearsal({"http_proxy": PROXY}, {"http_proxy": PROXY}), many)

    assert "node4 (10.77.0.4) and 3 more from there" in sentence


@pytest.mark.parametrize(
    ("exceptions", "host", "covered"),
    [
        ("10.77.0.1", "10.77.0.1", True),
        ("10.77.0.10", "10.77.0.1", False),
        ("10.77.0.0/24", "10.77.0.1", True),
        ("10.77.0.9/24", "10.77.0.1", True),
        ("10.77.1.0/24", "10.77.0.1", False),
        ("10.77.0.0/255.255.255.0", "10.77.0.1", False),
        ("10.77.", "10.77.0.1", False),
        ("10.77.0.1:8000", "10.77.0.1", False),
        ("*", "10.77.0.1", False),
        ("*", "node1", True),
        ("fd00::/8", "fd00::1", True),
        ("cluster.local", "node1.cluster.local", True),
        (".cluster.local", "node1.cluster.local", True),
        ("ode1", "node1", False),
        (",,", "node1", False),
        ("10.77.0.1", "node1", False),
    ],
)
def test_what_an_exception_covers(exceptions: str, host: str, *, covered: bool) -> None:
    assert covers(exceptions, host) is covered
