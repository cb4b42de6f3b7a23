"""The device files of the machine's own NVIDIA GPUs, for a node that is to have them."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

_GPU = re.compile(r"nvidia\d+")
_OTHERS = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset")
_MODE = 0o666


@dataclass(frozen=True)
class DeviceFile:
    """A character device: its name below /dev, and the number that the kernel knows it by."""

    name: str
    number: int

    @property
    def is_gpu(self) -> bool:
        """Whether it is a GPU, and not the driver's own."""
        return _GPU.fullmatch(self.name) is not None

    def make(self, folder: Path) -> None:
        """Make the same device in another folder. Raises OSError."""
        path = folder / self.name
        os.mknod(path, stat.S_IFCHR | _MODE, self.number)
        path.chmod(_MODE)  # The umask took bits away.


def device_files(folder: Path = Path("/dev")) -> list[DeviceFile]:
    """Return the driver's device files in a folder, in order of their names."""
    found = []
    for path in sorted(folder.glob("nvidia*")):
        facts = path.stat()
        if stat.S_ISCHR(facts.st_mode) and (_GPU.fullmatch(path.name) or path.name in _OTHERS):
            found.append(DeviceFile(path.name, facts.st_rdev))
    return found
