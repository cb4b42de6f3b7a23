"""Programs that are sent to nodes: several modules as one text, which needs no file there.

The modules run on whatever Python a node has, with the standard library alone; they may import
each other, by the names that they have here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

_LOAD = """
import sys, types
for name, text in {modules!r}:
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(text, name, "exec"), module.__dict__)
module.main()
"""


def program_text(folder: Path, package: str, modules: Sequence[str]) -> str:
    """Return Python that loads the modules of a package in this order, and calls the last's main.

    Each comes after those that it imports.
    """
    texts = [
        (f"{package}.{name}", (folder / f"{name}.py").read_text(encoding="utf-8"))
        for name in modules
    ]
    return _LOAD.format(modules=texts)
