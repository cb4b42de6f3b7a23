"""The state folder: where everything a testbed writes lies."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

DEFAULT_STATE = Path("/var/lib/dynamo-testbed")
STATE_VARIABLE = "TESTBED_STATE"
PROJECT_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class StateFolder:
    """Paths below one state folder; two testbeds with different folders may run side by side."""

    root: Path

    @property
    def lock(self) -> Path:
        """Locked (flock) while `up` or `down` works."""
        return self.root / "lock"

    @property
    def record(self) -> Path:
        """JSON: what runs (anchor's pid and start time, boot id, shape)."""
        return self.root / "running.json"

    @property
    def etc(self) -> Path:
        """Seen as /etc/slurm by every node: slurm.conf, gres.conf, cgroup.conf, plugstack.conf."""
        return self.root / "etc"

    @property
    def logs(self) -> Path:
        """One log per daemon: anchor.log, munged.log, slurmctld.log, slurmd-nodeK.log, ..."""
        return self.root / "logs"

    @property
    def spool(self) -> Path:
        """slurmctld's saved state and each slurmd's spool."""
        return self.root / "spool"

    @property
    def shared(self) -> Path:
        """The cluster's shared file system; every node sees it as /srv."""
        return self.root / "shared"

    @property
    def images(self) -> Path:
        """Container images, in the shared file system."""
        return self.shared / "images"

    @property
    def mountpoints(self) -> Path:
        """Empty folders to mount on; what is mounted there is seen inside the testbed only."""
        return self.root / "mnt"

    @property
    def image_mounts(self) -> Path:
        """One mounted image a folder, named by `image_key` of its file."""
        return self.mountpoints / "images"

    @property
    def sockets(self) -> Path:
        """Sockets over which a step's first task fetches the terminal of `run`."""
        return self.root / "sockets"

    @property
    def plugin(self) -> Path:
        """Compiled SPANK plugins, named by the hash of their source."""
        return self.root / "spank"

    def log_of(self, daemon: str) -> Path:
        """Return the log file of a daemon (`slurmctld`, `slurmd-node3`, `anchor`, ...)."""
        return self.logs / f"{daemon}.log"


def default_state() -> StateFolder:
    """Return the state folder the environment asks for, else the default one."""
    return StateFolder(Path(os.environ.get(STATE_VARIABLE) or DEFAULT_STATE).absolute())


def cache_folder() -> Path:
    """Return the project's cache outside the checkout (images, compiled files)."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "dynamo-multinode-qualification"


def image_key(path: Path) -> str:
    """Names a file by what tells it from every other: device, inode, size, time of change.

    The SPANK plugin makes the same name from stat(2) to find an image that is mounted already.
    """
    facts = path.stat()
    return f"{facts.st_dev:x}-{facts.st_ino:x}-{facts.st_size:x}-{facts.st_mtime_ns // 10**9:x}"
