"""What the anchor is told: one JSON file in the state folder, read by boot.py's processes."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from testbed.cluster.paths import PROJECT_ROOT, StateFolder
from testbed.cluster.shape import Shape

SPEC_FILE = "spec.json"


@dataclass(frozen=True)
class Spec:
    """`keep` are folders that stay visible on nodes although what lies above is private there."""

    state: StateFolder
    shape: Shape
    keep: tuple[Path, ...]

    def write(self) -> Path:
        """Write the spec into the state folder and return its path."""
        path = self.state.root / SPEC_FILE
        facts = {
            "state": str(self.state.root),
            "shape": self.shape.as_dict(),
            "keep": [str(p) for p in self.keep],
        }
        path.write_text(json.dumps(facts, indent=2) + "\n")
        return path


def read_spec(path: Path) -> Spec:
    """Read back what `Spec.write` wrote."""
    facts = json.loads(path.read_text())
    return Spec(
        state=StateFolder(Path(facts["state"])),
        shape=Shape(**facts["shape"]),
        keep=tuple(Path(p) for p in facts["keep"]),
    )


def own_folders(state: StateFolder) -> tuple[Path, ...]:
    """Return the folders every host must see: checkout, state folder, virtual environment."""
    folders = {PROJECT_ROOT, state.root, Path(sys.prefix), Path(sys.base_prefix)}
    return tuple(sorted(folders))
