"""What an engine is told to do wrong while it loads and serves, and by whom it is told."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from tensorrt_llm._emulation import settings
from tensorrt_llm._emulation.run_faults import RunFaults, parse_run_faults
from tensorrt_llm._emulation.told import environment


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("", RunFaults()),
        ("2=fail-init", RunFaults(fail_init=True)),
        ("3=fail-init-silent", RunFaults()),
        ("crash,2=truncate:3", RunFaults(crash=True, truncate_after=3)),
        ("zombie,exit-early", RunFaults(zombie=True, exit_early=True)),
        ("2=hang", RunFaults(hang=True)),
    ],
)
def test_faults_of_rank_2(text: str, faults: RunFaults) -> None:
    assert parse_run_faults(text, 2) == faults


@pytest.mark.parametrize("text", ["sleepy", "crash:1", "x=crash", "truncate", "9=truncate:x"])
def test_a_slip_names_its_variable(text: str) -> None:
    with pytest.raises(ValueError, match=f"{settings.FAULT}: expected"):
        settings.run_faults(2, {settings.FAULT: text})


def test_files_win_over_the_environment_and_a_nodes_over_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A", "environment")
    monkeypatch.setenv("B", "environment")
    (tmp_path / "all.env").write_text("B=all\nC=all\nno pair\n")
    (tmp_path / f"{socket.gethostname()}.env").write_text("C=node\n")
    (tmp_path / "another-node.env").write_text("A=another\n")

    told = environment(tmp_path)

    assert (told["A"], told["B"], told["C"]) == ("environment", "all", "node")
