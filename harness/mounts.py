"""``--container-mounts`` pairs, and the way back from a path in the container to the host's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.errors import SettingsError


@dataclass(frozen=True)
class Mount:
    """One ``SRC:DST[:FLAGS]`` pair."""

    source: Path
    target: PurePosixPath
    flags: str = ""

    def __str__(self) -> str:
        return ":".join([str(self.source), str(self.target), *([self.flags] if self.flags else [])])


def parse_mounts(text: str, *, where: str) -> tuple[Mount, ...]:
    """Parse comma-separated mounts; raise :class:`SettingsError` that names the bad pair.

    ``where`` says which setting the text came from.
    """
    return tuple(_parse_one(pair, where) for pair in text.split(",") if pair.strip())


def _parse_one(pair: str, where: str) -> Mount:
    source, *rest = pair.strip().split(":")
    target = rest[0] if rest else source
    wrong = not source.startswith("/") or not target.startswith("/") or "" in rest or len(rest) > 2
    if wrong:
        raise SettingsError(
            f"{where}: `{pair}` is not a mount; expected /host/path:/container/path[:flags]",
        )
    return Mount(Path(source), PurePosixPath(target), ":".join(rest[1:]))


def check_sources(mounts: Sequence[Mount], *, where: str) -> None:
    """Raise :class:`SettingsError` for a mount whose source does not exist here."""
    for mount in mounts:
        if not mount.source.exists():
            raise SettingsError(
                f"{where}: mount source {mount.source} does not exist on this node "
                f"(pair `{mount}`)",
                hint="a mount's source must exist on every node: use the shared file system",
            )


def host_path(container_path: str, mounts: Sequence[Mount]) -> Path | None:
    """Return where a container path lies on the host, or ``None`` if no mount leads there.

    The longest matching target counts; of two mounts on one target the later covers the earlier.
    """
    path = PurePosixPath(container_path)
    matching = [mount for mount in mounts if path == mount.target or mount.target in path.parents]
    if not matching:
        return None
    mount = max(reversed(matching), key=lambda each: len(each.target.parts))
    return mount.source / path.relative_to(mount.target)
