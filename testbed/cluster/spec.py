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
    """`keep` are folders that stay visible on nodes although what lies above them is private there;
    `nvidia_smi` is the script put on every node's PATH."""

    state: StateFolder
    shape: Shape
    keep: tuple[Path, ...]
    nvidia_smi: Path | None

    def write(self) -> Path:
        """Write the spec into the state folder and return its path."""
        path = self.state.root / SPEC_FILE
        facts = {
            "state": str(self.state.root),
            "shape": self.shape.as_dict(),
            "keep": [str(p) for p in self.keep],
            "nvidia_smi": str(self.nvidia_smi) if self.nvidia_smi else None,
        }
        path.write_text(json.dumps(facts, indent=2) + "\n")
        return path


def read_spec(path: Path) -> Spec:
    """Read back what `Spec.write` wrote."""
    facts = json.loads(path.read_text())
    script = facts["nvidia_smi"]
    return Spec(
        state=StateFolder(Path(facts["state"])),
        shape=Shape(**facts["shape"]),
        keep=tuple(Path(p) for p in facts["keep"]),
        nvidia_smi=Path(script) if script else None,
    )


def own_folders(state: StateFolder) -> tuple[Path, ...]:
    """The folders every host must see wherever they lie: checkout, state folder, virtual environment."""
    folders = {PROJECT_ROOT, state.root, Path(sys.prefix), Path(sys.base_prefix)}
    return tuple(sorted(folders))
