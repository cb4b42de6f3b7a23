"""Nodes that do not reach each other: the script as processes here, and what is made of its words.

A node is an address of the loopback network, 127.0.0.K.
"""

from __future__ import annotations

import ast
import errno
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.errors import InfraError, NodesApart
from harness.nodes.reach import in_words
from harness.nodes.reaching import (
    SCRIPT,
    Apart,
    Pair,
    Reached,
    apart_words,
    check_reachable,
    pairs_between,
    parse_reached,
)
from harness.nodes.snapshot import ProbeFailed
from tests.harness.pure.step_kit import PROGRAMS, LocalSlurm, local_slurm

NODES = {f"node{number}": f"127.0.0.{number + 10}" for number in range(1, 5)}
WORKERS = {"node2": "prefill-0", "node3": "decode-0"}


@pytest.fixture
def slurm(tmp_path: Path) -> Iterator[LocalSlurm]:
    with local_slurm(tmp_path) as started:
        yield started


@pytest.fixture
def ports() -> list[int]:
    """Three ports that were free a moment ago on the addresses of all nodes."""
    sockets = [socket.create_server(("0.0.0.0", 0)) for _ in range(3)]  # noqa: S104 - all nodes'
    found = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return found


@contextmanager
def listener(node: str, port: int, says: bytes | None, *, once: bool = False) -> Iterator[None]:
    """Take calls on a node's port, or one; say something, or nothing for as long as it lasts."""
    taken: list[socket.socket] = []

    def take() -> None:
        while True:
            try:
                taken.append(server.accept()[0])
                if says is not None:
                    taken.pop().sendall(says)
            except OSError:
                return
            if once:
                server.close()
                return

    with socket.create_server((NODES[node], port)) as server:
        threading.Thread(target=take, daemon=True).start()
        yield
        if not once:
            server.shutdown(socket.SHUT_RDWR)
    for each in taken:
        each.close()


def meet(
    *nodes: str,
    pairs: Sequence[Pair],
    ports: Sequence[int],
    deadline_s: float = 5.0,
    tokens: Mapping[str, str] | None = None,
    addresses: Mapping[str, str] = NODES,
) -> str:
    """Run the script for some of the nodes, each as srun does, and return what they say."""
    started = [
        subprocess.Popen(
            [
                *(os.path.realpath(sys.executable), "-I", "-S", "-"),
                *("--token", (tokens or {}).get(node, "t0k3n")),
                *("--ports", ",".join(map(str, ports))),
                *("--addresses", ",".join(f"{name}={where}" for name, where in addresses.items())),
                *("--pairs", ",".join(f"{caller}:{peer}" for caller, peer in pairs)),
                *("--deadline-s", str(deadline_s), "--bind", NODES[node]),
            ],
            env={"SLURMD_NODENAME": node},
            stdin=SCRIPT.open("rb"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for node in nodes
    ]
    said = [each.communicate(timeout=30) for each in started]
    assert [words for _, words in said] == [""] * len(nodes)
    return "".join(out for out, _ in said)


def reached(text: str, pairs: Sequence[Pair]) -> Reached:
    return parse_reached(text, pairs, addresses=NODES)


def errors(text: str, pairs: Sequence[Pair]) -> dict[Pair, str]:
    """Return the error of every pair that is broken."""
    return {(each.caller, each.peer): each.error for each in reached(text, pairs).apart}


def test_nodes_that_reach_each_other_say_so_at_once(ports: list[int]) -> None:
    pairs = pairs_between(["node1", "node2"], ["node3", "node4"])
    began_s = time.monotonic()

    found = reached(meet(*NODES, pairs=pairs, ports=ports, deadline_s=20), pairs)

    assert found.apart == ()
    assert set(found.exchange_ms) == set(pairs)
    assert time.monotonic() - began_s < 10


def test_a_node_waits_for_a_peer_that_starts_later(ports: list[int]) -> None:
    pairs = pairs_between(["node1"], ["node2"])
    late: list[str] = []
    starter = threading.Timer(0.5, lambda: late.append(meet("node2", pairs=pairs, ports=ports)))
    starter.start()
    early = meet("node1", pairs=pairs, ports=ports, deadline_s=20)
    starter.join(timeout=30)

    assert reached(early + late[0], pairs).apart == ()


def test_where_nobody_listens_the_call_is_refused_until_the_deadline(ports: list[int]) -> None:
    text = meet("node1", pairs=[("node1", "node2")], ports=ports, deadline_s=0.5)

    (answer,) = [json.loads(line) for line in text.splitlines()]
    assert answer["failed"] == {"node2": {"error": "connection refused", "after_s": 0.5}}
    assert 500 <= answer["elapsed_ms"] < 1500


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (OSError(errno.EHOSTUNREACH, "x"), "no route to host"),
        (OSError(errno.ENETUNREACH, "x"), "network is unreachable"),
        (OSError(errno.EINVAL, "x"), "discarded by a route of this node (blackhole)"),
        (OSError(errno.EACCES, "x"), "forbidden by a route or firewall of this node"),
        (TimeoutError("timed out"), "timed out"),
        (TimeoutError(errno.ETIMEDOUT, "x"), "timed out"),
        (socket.gaierror(-2, "Name or service not known"), "[Errno -2] Name or service not known"),
    ],
)
def test_what_the_kernel_says_is_put_into_words(problem: OSError, words: str) -> None:
    assert in_words(problem) == words


def test_a_stranger_with_another_token_is_no_peer(ports: list[int]) -> None:
    pairs = pairs_between(["node1"], ["node2"])
    tokens = {"node2": "another"}

    text = meet("node1", "node2", pairs=pairs, ports=ports, deadline_s=0.5, tokens=tokens)

    assert errors(text, pairs) == {
        pair: " / ".join(f"a stranger answers on port {port}" for port in sorted(ports))
        for pair in pairs
    }
    assert [json.loads(line)["unheard"] for line in text.splitlines()] == [["node2"], ["node1"]]


def test_a_stranger_that_went_away_is_still_told(ports: list[int]) -> None:
    with listener("node2", ports[0], b"220 mail.example ESMTP\r\n", once=True):
        text = meet("node1", pairs=[("node1", "node2")], ports=ports[:1], deadline_s=1.3)

    assert f"a stranger answers on port {ports[0]}" in text


def test_a_stranger_on_one_port_is_passed_by(ports: list[int]) -> None:
    pairs = pairs_between(["node1"], ["node2"])
    with listener("node2", ports[0], b"220 mail.example ESMTP\r\n"):
        text = meet("node1", "node2", pairs=pairs, ports=ports, deadline_s=20)

    assert errors(text, pairs) == {}
    assert f'"listening":{json.dumps(ports[1:], separators=(",", ":"))}' in text


def test_a_stranger_that_says_nothing_is_passed_by(ports: list[int]) -> None:
    pairs = pairs_between(["node1"], ["node2"])
    with listener("node2", ports[0], None):
        text = meet("node1", "node2", pairs=pairs, ports=ports, deadline_s=20)

    assert errors(text, pairs) == {}


def test_what_accepts_and_does_not_answer_ends_with_the_deadline(ports: list[int]) -> None:
    pairs, port = [("node1", "node2")], ports[0]
    began_s = time.monotonic()
    with listener("node2", port, None):
        text = meet("node1", pairs=pairs, ports=[port], deadline_s=1.5)

    assert time.monotonic() - began_s < 4
    assert f"port {port} accepts and does not answer" in text


def test_an_address_of_another_node_is_told(ports: list[int]) -> None:
    # node3 stays until the deadline, for node4 does not call.
    pairs = [("node1", "node2"), ("node1", "node3"), ("node4", "node3")]
    wrong = {**NODES, "node2": NODES["node3"]}

    text = meet("node1", "node3", pairs=pairs, ports=ports, deadline_s=0.5, addresses=wrong)

    assert "node3 answers under this address" in text
    assert '"reached":{"node3":' in text


def test_a_node_that_nobody_reached_says_who_is_missing(ports: list[int]) -> None:
    text = meet("node2", pairs=[("node1", "node2")], ports=ports, deadline_s=0.3)

    assert json.loads(text)["unheard"] == ["node1"]


def test_a_node_without_a_free_port_proves_nothing(ports: list[int]) -> None:
    pairs = pairs_between(["node1"], ["node2"])
    with listener("node2", ports[0], None):
        text = meet("node1", "node2", pairs=pairs, ports=ports[:1], deadline_s=0.3)

    with pytest.raises(ProbeFailed, match=r"node2 could not listen on any of the ports .* in use"):
        reached(text, pairs)


def test_a_long_answer_comes_in_lines_that_slurm_does_not_cut(ports: list[int]) -> None:
    peers = [f"a-node-with-a-rather-long-name-{number}" for number in range(30)]
    addresses = {**dict.fromkeys(peers, "127.0.0.99"), "node1": NODES["node1"]}
    pairs = [("node1", peer) for peer in peers]

    text = meet("node1", pairs=pairs, ports=ports[:1], deadline_s=0.5, addresses=addresses)

    assert all(len(line) < 1000 for line in text.splitlines())
    labelled = "".join(f"0: {line}\n" for line in text.splitlines())
    answers = "".join(json.dumps(answer(peer)) + "\n" for peer in peers)
    assert len(parse_reached(labelled + answers, pairs, addresses=addresses).apart) == 30


def answer(node: str, **fields: Any) -> dict[str, Any]:
    """What a node says that has nobody to call."""
    return {"node": node, "reached": {}, "failed": {}, "listening": [40001], "deaf": {}, **fields}


def failed(error: str, *peers: str) -> dict[str, Any]:
    return {peer: {"error": error, "after_s": 5.0} for peer in peers}


def test_both_directions_of_two_sides_are_pairs() -> None:
    assert pairs_between(["node1"], ["node2", "node1"]) == (("node1", "node2"), ("node2", "node1"))
    assert len(pairs_between(NODES, NODES)) == 12


def test_nodes_without_an_answer_are_named() -> None:
    with pytest.raises(ProbeFailed, match="node2 gave no answer; node1 says nothing of node2"):
        reached(json.dumps(answer("node1")), [("node1", "node2")])


def test_a_broken_line_is_named() -> None:
    text = json.dumps(answer("node1", reached={"node2": 1.0})) + '\n0: {"node": "node2", "rea'

    with pytest.raises(ProbeFailed, match="node2 sent a broken line"):
        reached(text, [("node1", "node2")])


def test_a_broken_pair_is_told_with_nodes_workers_address_error_and_time() -> None:
    apart = [Apart("node3", "node2", "10.77.0.2", "no route to host", 5.0)]

    assert apart_words(apart, of=2, workers=WORKERS) == (
        "node3 (decode-0) does not reach node2 (prefill-0) at 10.77.0.2: "
        "no route to host after 5.0 s"
    )


def test_who_merely_timed_out_comes_after_who_knows_the_reason() -> None:
    apart = [
        Apart("node2", "node3", "10.77.0.3", "timed out", 5.0),
        Apart("node3", "node2", "10.77.0.2", "no route to host", 5.0),
    ]

    assert apart_words(apart, of=8, workers=WORKERS) == (
        "node3 (decode-0) does not reach node2 (prefill-0) at 10.77.0.2: no route to host after "
        "5.0 s; node2 (prefill-0) does not reach node3 (decode-0) at 10.77.0.3: timed out after "
        "5.0 s; 2 of 8 directions are broken"
    )


def test_many_broken_pairs_are_counted_and_their_common_node_is_named() -> None:
    apart = [Apart(f"node{n}", "node2", "10.77.0.2", "timed out", 5.0) for n in range(3, 10)]

    words = apart_words(apart, of=14, workers=WORKERS)

    assert words.count("does not reach") == 4
    assert words.endswith("; and 3 more; 7 of 14 directions are broken, all with node2 (prefill-0)")


def test_a_step_that_finds_nodes_apart_raises(
    slurm: LocalSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the Slurm of scripts the one task speaks for both nodes."""
    said = "".join(
        json.dumps(each) + "\n"
        for each in (
            answer("node1", failed=failed("no route to host", "node2")),
            answer("node2", reached={"node1": 1.0}),
        )
    )
    script = tmp_path / "says.py"
    script.write_text(f"print({said!r})")
    monkeypatch.setattr("harness.nodes.reaching.SCRIPT", script)

    with pytest.raises(NodesApart, match=r"node1 does not reach node2 at 127\.0\.0\.12") as apart:
        check(slurm)
    assert "KV caches travel" in apart.value.hint
    assert str(apart.value).startswith("NodesApart [INFRA]: ")


def test_a_step_that_ends_badly_is_told_with_its_words(
    slurm: LocalSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "says.py"
    script.write_text("raise SystemExit('no room')")
    monkeypatch.setattr("harness.nodes.reaching.SCRIPT", script)

    with pytest.raises(InfraError, match=r"the reach script on node\[1-2\] ended with 1") as broken:
        check(slurm)
    assert "no room" in broken.value.message


def test_without_pairs_no_step_is_started() -> None:
    nowhere = LocalSlurm(PROGRAMS / "nowhere").client

    found = check_reachable(nowhere, (), addresses={}, workers={}, step_name="reach")

    assert found == Reached({}, ())


def check(slurm: LocalSlurm) -> Reached:
    """Check two nodes against each other."""
    pairs = pairs_between(["node1"], ["node2"])
    return check_reachable(
        slurm.client, pairs, addresses=NODES, workers={}, step_name="qualify-r1-reach"
    )


def test_the_script_needs_python_3_6_and_the_standard_library_alone() -> None:
    tree = ast.parse(SCRIPT.read_text(encoding="utf-8"), feature_version=(3, 6))
    imported = {
        name
        for each in ast.walk(tree)
        for name in (
            [alias.name for alias in each.names]
            if isinstance(each, ast.Import)
            else [each.module or ""]
            if isinstance(each, ast.ImportFrom)
            else []
        )
    }

    assert imported - sys.stdlib_module_names == set()
