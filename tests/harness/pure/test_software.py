"""The software of the nodes in words: one word where they agree, and by node where they do not."""

from __future__ import annotations

from harness.nodes.condition import PyxisFile
from harness.nodes.snapshot import NodeSnapshot, Snapshot, Unreadable
from harness.nodes.software import software_facts

FILE = PyxisFile("/usr/lib/slurm/spank_pyxis.so", "0.24.0", 70000, "0123456789abcdef" * 4)
WORDS = "0.24.0, /usr/lib/slurm/spank_pyxis.so, 70000 bytes, sha256:0123456789abcdef"


def node(number: int, pyxis: tuple[PyxisFile, ...] | None = (FILE,)) -> NodeSnapshot:
    return NodeSnapshot(
        f"node{number}",
        boot_id="",
        time_s=0.0,
        python="3.12",
        uid=0,
        elapsed_ms=1.0,
        cuda_of_driver="13.0",
        pyxis=pyxis,
        errors=(Unreadable("enroot", "no enroot on PATH"), Unreadable("pyxis", "closed")),
    )


def pyxis_of(*nodes: NodeSnapshot) -> str:
    return software_facts(Snapshot({each.node: each for each in nodes}))["pyxis"]


def test_nodes_that_agree_are_one_word() -> None:
    facts = software_facts(Snapshot({f"node{n}": node(n) for n in (1, 2)}))

    assert facts == {
        "cuda_of_driver": "13.0",
        "pyxis": WORDS,
        "enroot": "unknown: no enroot on PATH",
    }


def test_nodes_that_differ_are_named() -> None:
    assert pyxis_of(node(1), node(2), node(3, pyxis=())) == (
        f"{WORDS} on node[1-2]; none: no plugin of that name is loaded on node3"
    )


def test_a_plugin_without_a_version_says_why_and_can_be_compared() -> None:
    old = PyxisFile(FILE.path, None, FILE.size_bytes, FILE.sha256)

    told = pyxis_of(node(1, (old,)))

    assert told.startswith("unknown: its file tells none (Pyxis does so from 0.17 on), /usr/lib")
    assert told.endswith("70000 bytes, sha256:0123456789abcdef")


def test_what_could_not_be_read_gives_its_reason() -> None:
    assert pyxis_of(node(1, pyxis=None)) == "unknown: closed"


def test_nothing_is_said_of_nodes_that_nobody_looked_at() -> None:
    assert set(software_facts(None).values()) == {""}
