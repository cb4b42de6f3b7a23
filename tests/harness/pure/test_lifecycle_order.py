"""The order of tests: each topology once, as a deployment lives, moves in their order."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from itertools import groupby

import pytest

from fixtures.lifecycle import STAGE_ORDER
from harness.dynamo.moves import MOVES, Way
from harness.settings import PROJECT_ROOT
from harness.topology_names import ATTACHED, TOPOLOGY_NAMES

SHOW = """
import pytest
from fixtures.lifecycle import stage_of, topology_of

def pytest_collection_finish(session):
    for item in session.items:
        move = getattr(getattr(item, "callspec", None), "params", {}).get("move", "-")
        print("ROW", topology_of(item), stage_of(item), move, item.name)
"""


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    """Topology, stage, move and name of each test of both kinds, in the order of the run."""
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "show_order.py").write_text(SHOW, encoding="utf-8")
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-m", "agg or disagg", "--nodes", "8",
            "--collect-only", "-q", "-p", "show_order", "-p", "no:cacheprovider",
        ],
        capture_output=True, check=True, cwd=PROJECT_ROOT, encoding="utf-8", timeout=60,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{PROJECT_ROOT}:{folder}"},
    )  # fmt: skip
    return [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("ROW ")]


def heads(values: Sequence[str]) -> list[str]:
    return [value for value, _ in groupby(values)]


def test_nodes_are_looked_at_before_anything_is_deployed(rows: list[list[str]]) -> None:
    assert heads(["preflight" if row[1] == "preflight" else "later" for row in rows]) == [
        "preflight",
        "later",
    ]


def test_each_topology_is_deployed_in_one_go(rows: list[list[str]]) -> None:
    deployed = [row[0] for row in rows if row[1] != "preflight"]

    assert heads(deployed) == [name for name in TOPOLOGY_NAMES if name != ATTACHED]


@pytest.mark.parametrize("name", TOPOLOGY_NAMES)
def test_stages_follow_a_deployments_life(rows: list[list[str]], name: str) -> None:
    stages = heads([row[1] for row in rows if row[0] == name])

    assert stages == [stage for stage in STAGE_ORDER if stage in stages]


@pytest.mark.parametrize("name", MOVES)
def test_moves_are_made_in_order_and_summed_up_last(rows: list[list[str]], name: str) -> None:
    moves = heads([row[2] for row in rows if row[:2] == [name, "scale"]])

    assert moves == [*map(str, range(len(MOVES[name]))), "-"]


@pytest.mark.parametrize("name", MOVES)
def test_each_way_of_scaling_is_asked_about_where_it_happens(
    rows: list[list[str]], name: str
) -> None:
    asked = {
        int(row[2])
        for row in rows
        if row[0] == name and row[3].startswith("test_errors_end_with_the_lease")
    }

    assert asked == {at for at, move in enumerate(MOVES[name]) if move.way is Way.KILL}
