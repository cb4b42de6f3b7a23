"""Where Slurm keeps its plugins, by what ``scontrol show config`` prints; scontrol is a double."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.slurm.client import Slurm

DIR = "PluginDir               = /usr/lib64/slurm"
CONF = "SLURM_CONF              = /run/slurm/conf/slurm.conf"


def slurm_that_says(folder: Path, *lines: str) -> Slurm:
    program = folder / "scontrol"
    text = "\n".join(lines)
    program.write_text(f"#!/bin/sh\n[ \"$*\" = 'show config' ] && cat <<'END'\n{text}\nEND\n")
    program.chmod(0o755)
    return Slurm("7", {"PATH": f"{folder}:/usr/bin:/bin"})


@pytest.mark.parametrize(
    ("lines", "places"),
    [
        (("PlugStackConfig         = /etc/p.conf", DIR), ("/etc/p.conf", "/usr/lib64/slurm")),
        (
            ("PlugStackConfig         = (null)", DIR, CONF),
            ("/run/slurm/conf/plugstack.conf", "/usr/lib64/slurm"),
        ),
        (("",), ("", "")),
    ],
    ids=["named", "the default, as of Slurm 25.11", "no answer"],
)
def test_the_places_are_slurms_own_word(
    tmp_path: Path, lines: tuple[str, ...], places: tuple[str, str]
) -> None:
    assert slurm_that_says(tmp_path, *lines).plugin_places() == places
