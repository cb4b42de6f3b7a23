"""Which CUDA a driver takes, and which Pyxis and enroot a node has, as the probe finds them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.nodes.condition import PyxisFile
from harness.nodes.snapshot import NodeSnapshot
from tests.harness.pure.probe.kit import SmiDouble, probed

TOLD = b"\x7fELF..pyxis: version v0.24.0\0pyxis: failed to parse"
UNTOLD = b"\x7fELF..pyxis: version v%s\0" + b"0.16.1\0"

Look = Callable[..., NodeSnapshot]


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    """A folder for plugstack.conf."""
    (tmp_path / "etc").mkdir()
    return tmp_path / "etc"


@pytest.fixture
def look(smi_double: SmiDouble, tmp_path: Path, etc: Path) -> Look:
    """Ask for the condition; Slurm keeps its files in ``etc``, and nowhere else."""
    smi_double("exit 0")
    elsewhere = {
        "/run/slurm/conf/plugstack.conf": etc / "plugstack.conf",
        "/etc/slurm/plugstack.conf": tmp_path / "none",
    }

    def ask(*options: str) -> NodeSnapshot:
        return probed("--condition", *options, instead=elsewhere)

    return ask


def plugin(folder: Path, content: bytes) -> Path:
    """Write a plugin; the words of a real one stand in it as text."""
    folder.mkdir(exist_ok=True)
    file = folder / "spank_pyxis.so"
    file.write_bytes(content)
    return file


@pytest.mark.parametrize(
    "line",
    ["CUDA Version        : 13.0", "CUDA UMD version    : 13.0"],
    ids=["driver 580", "driver 610"],
)
def test_the_cuda_of_the_driver_is_told_in_the_words_of_each_driver(
    look: Look, smi_double: SmiDouble, line: str
) -> None:
    smi_double(f'[ "$1" = --version ] && echo "DRIVER version      : 580.1" && echo "{line}"')

    assert look().cuda_of_driver == "13.0"


def test_a_driver_that_does_not_know_the_question_is_quoted(
    look: Look, smi_double: SmiDouble
) -> None:
    smi_double("echo 'ERROR: Option --version is not recognized.'; exit 255")

    node = look()

    assert node.cuda_of_driver is None
    assert "Option --version is not recognized" in node.why_unreadable("cuda_of_driver")


def test_the_plugin_that_slurm_names_tells_its_version(look: Look, etc: Path) -> None:
    file = plugin(etc / "lib", TOLD)
    conf = etc / "other.conf"
    conf.write_text(f"# Pyxis\noptional x11.so\nrequired {file} runtime_path=/run/pyxis\n")

    digest = hashlib.sha256(TOLD).hexdigest()

    assert look("--plugstack", str(conf)).pyxis == (
        PyxisFile(str(file), "0.24.0", len(TOLD), digest),
    )


def test_an_old_plugin_keeps_its_version_to_itself(look: Look, etc: Path) -> None:
    file = plugin(etc / "lib", UNTOLD)
    (etc / "plugstack.conf").write_text(f"required {file}\n")

    [found] = look().pyxis or ()

    assert found.version is None
    assert found.size_bytes == len(UNTOLD)


def test_an_included_file_and_a_name_in_the_plugin_folder_are_followed(
    look: Look, etc: Path
) -> None:
    folder = plugin(etc / "lib", TOLD).parent
    (etc / "plugstack.conf.d").mkdir()
    (etc / "plugstack.conf").write_text("include plugstack.conf.d/*.conf\n")
    (etc / "plugstack.conf.d" / "pyxis.conf").write_text("required spank_pyxis.so\n")

    [found] = look("--plugin-folders", f"/nowhere:{folder}").pyxis or ()

    assert (found.path, found.version) == (str(folder / "spank_pyxis.so"), "0.24.0")


def test_a_slurm_without_pyxis_is_no_unreadable_one(look: Look, etc: Path) -> None:
    (etc / "plugstack.conf").write_text("optional x11.so\n")

    assert look().pyxis == ()


def test_no_plugstack_and_a_missing_plugin_are_said(look: Look, etc: Path) -> None:
    assert "no plugstack.conf" in look().why_unreadable("pyxis")

    (etc / "plugstack.conf").write_text("required /nowhere/spank_pyxis.so\n")

    assert look().why_unreadable("pyxis") == "/nowhere/spank_pyxis.so: No such file or directory"


def test_enroot_is_read_and_not_run(look: Look, tmp_path: Path) -> None:
    assert look().why_unreadable("enroot") == "no enroot on PATH"

    script = tmp_path / "bin" / "enroot"
    ran = tmp_path / "ran"
    script.write_text(f'#!/bin/sh\ntouch {ran}\nexport ENROOT_VERSION="4.1.2"\n')
    script.chmod(0o755)

    assert look().enroot == "4.1.2"
    assert not ran.exists()


def test_what_tells_builds_apart_is_left_out_unless_asked_for(smi_double: SmiDouble) -> None:
    smi_double("exit 0")

    node = probed()

    assert (node.cuda_of_driver, node.pyxis, node.enroot) == (None, None, None)
