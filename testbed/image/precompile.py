"""Compile Python sources of the image, run by the image's Python.

Usage: ``precompile.py SITE_PACKAGES INSIDE [PACKAGE...]``.

Compiles the packages named; without any, what Dynamo's two programs import when they start.

A container's root is written to memory, and rank and worker start on few cores: bytecode must be
there already. All of site-packages would take a minute; what the two programs import takes
seconds. The files carry no time stamp to be checked again, and name the source by its path inside
the container.
"""

from __future__ import annotations

import contextlib
import io
import py_compile
import runpy
import sys
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

PROGRAMS = ("dynamo.frontend", "dynamo.trtllm")


def imported_files(program: str) -> set[str]:
    """Return the source files that a program has imported by the time it knows its arguments."""
    sys.argv = [program, "--help"]
    warnings.simplefilter("ignore")
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    return {file for file in files if file and file.endswith(".py")}


def compile_file(source: str, inside: str) -> str | None:
    """Compile one file; return what is wrong with it, if anything."""
    try:
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        py_compile.compile(source, dfile=inside, doraise=True, invalidation_mode=mode, quiet=1)
    except (py_compile.PyCompileError, OSError) as error:
        return f"{source}: {error}"
    return None


def wanted_files(site_packages: Path, packages: list[str]) -> list[str]:
    """Return the files to compile: of the packages named, or else of what the programs import."""
    if packages:
        return sorted(
            str(path) for name in packages for path in (site_packages / name).rglob("*.py")
        )
    with ProcessPoolExecutor(len(PROGRAMS)) as pool:
        files = set[str]().union(*pool.map(imported_files, PROGRAMS))
    return sorted(file for file in files if Path(file).is_relative_to(site_packages))


def main(site_packages: Path, inside: str, packages: list[str]) -> int:
    """Compile; print what is wrong and the number of files."""
    sources = wanted_files(site_packages, packages)
    places = [f"{inside}/{Path(source).relative_to(site_packages)}" for source in sources]
    with ProcessPoolExecutor() as pool:
        wrong = [
            problem for problem in pool.map(compile_file, sources, places, chunksize=32) if problem
        ]
    sys.stdout.write("\n".join([*wrong, f"{len(sources)} files compiled\n"]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
