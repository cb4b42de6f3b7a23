"""Names are resolved in time or not at all."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from harness.errors import SlurmError
from harness.resolving import resolve
from harness.slurm.client import Slurm
from harness.slurm.node_words import NodeRow


class OneNode(Slurm):
    """Knows node1 at an address, and no other."""

    def __init__(self, address: str) -> None:
        super().__init__("7", {})
        self._address = address

    def nodes(self, names: object) -> list[NodeRow]:
        """Return the row of node1."""
        return [NodeRow("node1", self._address, "IDLE")] if names == ("node1",) else []


@pytest.fixture
def silent_servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A resolver that waits for its servers."""
    over = threading.Event()

    def wait(*_: object) -> list[object]:
        over.wait(30)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", wait)
    yield
    over.set()


def test_an_address_is_its_own() -> None:
    assert resolve("127.0.0.1", timeout_s=5) == ["127.0.0.1"]
    assert resolve("::1", timeout_s=5) == ["::1"]


@pytest.mark.parametrize("name", ["no-such-host.invalid", "a..b", "x" * 70])
def test_name_that_nobody_knows_is_an_error(name: str) -> None:
    with pytest.raises(OSError, match="ame") as told:
        resolve(name, timeout_s=5)
    assert not isinstance(told.value, TimeoutError)


@pytest.mark.usefixtures("silent_servers")
def test_resolver_that_does_not_answer_is_not_waited_for() -> None:
    began_s = time.monotonic()

    with pytest.raises(TimeoutError, match=r"the name far was not resolved within 0\.2 s"):
        resolve("far", timeout_s=0.2)
    assert time.monotonic() - began_s < 5


def test_slurms_address_of_a_node_is_resolved() -> None:
    assert OneNode("10.77.0.1").node_address("node1") == "10.77.0.1"
    with pytest.raises(SlurmError, match=r"node1 resolves to 127\.0\.0\.1, which no other node"):
        OneNode("127.0.0.1").node_address("node1")


def test_node_that_slurm_does_not_know_is_named() -> None:
    with pytest.raises(SlurmError, match="node9 is not known to Slurm"):
        OneNode("10.77.0.1").node_address("node9")


@pytest.mark.usefixtures("silent_servers")
def test_address_of_a_node_that_does_not_resolve_in_time_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("harness.slurm.client.RESOLVE_S", 0.2)

    with pytest.raises(SlurmError, match=r"address far of node1 .*: the name far was not resolved"):
        OneNode("far").node_address("node1")
