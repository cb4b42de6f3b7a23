"""Which Pyxis and enroot a node has, read from their files and not run."""
# Python 3.6 has no `capture_output`; pathlib takes as long to import as all the rest together.
# ruff: noqa: PTH113, PTH118, PTH119, PTH120, PTH207

import glob
import hashlib
import os
import re
from typing import Iterator, List

from harness.nodes.program.document import Document, Emit, read_bytes, unreadable

# Where plugstack.conf lies when Slurm does not say so: on nodes without a slurm.conf, and with one.
PLUGSTACKS = ("/run/slurm/conf/plugstack.conf", "/etc/slurm/plugstack.conf")
# The word that slurmd logs at its start. One string since Pyxis 0.17; before, the version stands
# somewhere else in the file, with nothing beside it that says what it is.
PYXIS_VERSION = re.compile(rb"pyxis: version v([^\0%]+)\0")
ENROOT_VERSION = re.compile(rb'ENROOT_VERSION="([^"]+)"')


def read_container_runtime(plugstack: str, plugin_folders: str, emit: Emit) -> None:
    """Emit which Pyxis this node's Slurm loads, and which enroot that would call.

    Both are read and not run: `enroot version` makes folders for its caller.
    """
    programs = [f"{folder}/enroot" for folder in os.environ.get("PATH", "").split(":")]
    enroot = next((path for path in programs if os.path.isfile(path)), "")
    found = ENROOT_VERSION.search(read_bytes(enroot)) if enroot else None
    if found:
        emit({"enroot": found.group(1).decode("utf-8", "replace")})
    else:
        emit(unreadable("enroot", f"{enroot} has no version" if enroot else "no enroot on PATH"))
    conf = next((path for path in (plugstack, *PLUGSTACKS) if os.path.isfile(path)), "")
    if not conf:
        emit(unreadable("pyxis", f"no plugstack.conf at {plugstack or 'a known place'}"))
        return
    try:
        files = list(pyxis_files(conf, plugin_folders.split(":")))
        emit({"pyxis": [read_plugin(path) for path in files]})
    except OSError as problem:
        emit(unreadable("pyxis", f"{problem.filename}: {problem.strerror}"))


def pyxis_files(conf: str, folders: List[str]) -> Iterator[str]:
    """Yield the Pyxis plugins that a plugstack.conf names, with what it includes."""
    for line in read_bytes(conf).decode("utf-8", "replace").splitlines():
        words = line.split("#")[0].split()
        if len(words) > 1 and words[0] == "include":
            for included in sorted(glob.glob(os.path.join(os.path.dirname(conf), words[1]))):
                yield from pyxis_files(included, folders)
        elif len(words) > 1 and "pyxis" in os.path.basename(words[1]):
            places = [os.path.join(folder, words[1]) for folder in folders]  # a whole path stays
            yield next((place for place in places if os.path.isfile(place)), words[1])


def read_plugin(path: str) -> Document:
    """Return what tells one build of Pyxis from another; version None: the file does not say."""
    content = read_bytes(path)
    found = PYXIS_VERSION.search(content)
    version = found.group(1).decode("utf-8", "replace") if found else None
    facts = {"path": path, "version": version, "size_bytes": len(content)}
    return dict(facts, sha256=hashlib.sha256(content).hexdigest())
