"""The library's own rules: each file one fault, each fault with what must be said of it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from testbed.cluster.errors import TestbedError
from testbed.faults import library, provoke
from testbed.faults.bed import Bed
from testbed.faults.fault import Fault, Layer, Moment
from testbed.faults.table import fault_named, faults
from tests.harness.faults.known_misses import KNOWN_MISSES
from tests.harness.faults.outcome import EXIT_CODES

ALL = list(faults().values())
ENGINE = Path("testbed/engine/packages/tensorrt_llm/_emulation")


def test_every_file_of_the_library_is_a_fault() -> None:
    [folder] = library.__path__
    files = {path.stem for path in Path(folder).glob("*.py")} - {"__init__"}

    assert {name.replace("-", "_") for name in faults()} == files
    assert len(files) >= 45


@pytest.mark.parametrize("fault", ALL, ids=lambda fault: fault.name)
def test_fault_says_what_must_be_said(fault: Fault) -> None:
    assert set(fault.said.verdict) <= set(EXIT_CODES)
    assert fault.sentence.endswith(".")
    assert all(re.compile(pattern) for pattern in fault.said.patterns)
    assert fault.said.verdict == ("PASS",) or fault.said.patterns or fault.said.node


@pytest.mark.parametrize("fault", ALL, ids=lambda fault: fault.name)
def test_fault_has_a_moment_only_if_it_is_provoked(fault: Fault) -> None:
    assert fault.inject is not None or fault.moment is Moment.BEFORE
    assert fault.said.within_s is None or fault.moment is not Moment.BEFORE
    assert fault.lasts_s is None or fault.moment is not Moment.BEFORE


def test_a_name_that_no_file_has_is_told() -> None:
    with pytest.raises(TestbedError, match="no fault moon-falls"):
        fault_named("moon-falls")


class Shm(Bed):
    """A node whose /dev/shm has 2 GiB; it keeps the sizes that it is mounted with."""

    def __init__(self) -> None:
        self.sizes: list[str] = []

    def on(self, host: str, *command: str) -> str:
        """Tell the size, or take another."""
        assert host == "node1"
        if command[0] == "df":
            return "1B-blocks\n2147483648\n"
        self.sizes.append(command[2])
        return ""


def test_shared_memory_gets_its_own_size_back() -> None:
    """It got 4 GiB, whatever the testbed had been made with."""
    bed, fault = Shm(), fault_named("shm-too-small")
    assert fault.inject is not None

    for undo in fault.inject(bed):
        bed.undo(undo)

    assert bed.sizes == ["remount,size=256k", "remount,size=2147483648"]


def test_known_misses_are_faults_of_the_library() -> None:
    assert set(KNOWN_MISSES) <= set(faults())


def test_quick_faults_are_few_of_every_layer_and_all_told() -> None:
    """They are part of ``make test``, which has no place for what is expected to fail."""
    quick = [fault for fault in ALL if fault.quick]

    assert {fault.layer for fault in quick} == set(Layer)
    assert {fault.name for fault in quick}.isdisjoint(KNOWN_MISSES)
    assert 10 <= len(quick) <= 12


def test_the_engine_looks_where_faults_are_written() -> None:
    """The two cannot import each other: one runs in the image, the other on the machine."""
    tree = ast.parse((Path(__file__).parents[3] / ENGINE / "told.py").read_text(encoding="utf-8"))
    paths = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}

    assert provoke.ENGINE_FOLDER in paths
