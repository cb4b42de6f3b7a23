"""Site files: ``clusters/<site>.yaml``, one a cluster, with the line of every key for errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from harness.errors import SettingsError


@dataclass(frozen=True)
class SiteFile:
    """The values of one site file, and the line (from 1) on which each key stands."""

    name: str
    path: Path | None
    values: Mapping[str, Any] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def empty(cls) -> SiteFile:
        """Return the site of a run that has no site file."""
        return cls(name="", path=None)

    def where(self, key: str) -> str:
        """Return ``file:line`` of a key."""
        return f"{self.path}:{self.lines.get(key, 0)}"


def select_site(asked: str | None, cluster_name: str | None, sites_dir: Path) -> Path | None:
    """Return the file of the site that was asked for, else of Slurm's cluster, else ``None``.

    A site asked for by name must exist; a cluster without a file just has no site.
    """
    if asked:
        path = sites_dir / f"{asked}.yaml"
        if not path.is_file():
            known = ", ".join(sorted(each.stem for each in sites_dir.glob("*.yaml"))) or "none"
            raise SettingsError(f"no site file {path}; known sites: {known}")
        return path
    if cluster_name and (path := sites_dir / f"{cluster_name}.yaml").is_file():
        return path
    return None


def load_site(path: Path) -> SiteFile:
    """Read a site file: a mapping of settings. Errors name the file and the line."""
    try:
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as broken:
        raise SettingsError(
            f"{path}: cannot be read as YAML: {' '.join(str(broken).split())}"
        ) from None
    if values is None:
        return SiteFile(path.stem, path)
    if not isinstance(root, yaml.MappingNode) or not isinstance(values, dict):
        raise SettingsError(
            f"{path}:1: a site file is a mapping of settings, not a {type(values).__name__}"
        )
    return SiteFile(
        path.stem, path, {str(key): value for key, value in values.items()}, _lines(path, root)
    )


def _lines(path: Path, root: yaml.MappingNode) -> dict[str, int]:
    lines: dict[str, int] = {}
    for key, _ in root.value:
        line = key.start_mark.line + 1
        if lines.setdefault(str(key.value), line) != line:
            raise SettingsError(
                f"{path}:{line}: `{key.value}` stands on line {lines[key.value]} too"
            )
    return lines
