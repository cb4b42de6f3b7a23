"""Loop devices: show an image file as a block device that the kernel frees with its last user.

Numbers and layouts are those of <linux/loop.h>. Each device carries the tag of its testbed, because
the path of its file, as the machine shows it, depends on who attached it.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import struct
from pathlib import Path

from testbed.cluster.paths import StateFolder

GET_FREE = 0x4C82
CONFIGURE = 0x4C0A
GET_STATUS64 = 0x4C05
READ_ONLY_AND_AUTOCLEAR = 1 | 4
STATUS_BYTES, CONFIG_BYTES = 232, 304
FLAGS_OFFSET, NAME_OFFSET, NAME_BYTES = 52, 56, 64
STATUS_OFFSET_IN_CONFIG = 8
ATTEMPTS = 64


def tag_of(state: StateFolder) -> str:
    """Return the tag of this state folder's loop devices."""
    return "testbed-" + hashlib.sha256(str(state.root).encode()).hexdigest()[:24]


def attach(image: Path, *, tag: str) -> tuple[int, str]:
    """Attach `image` read-only; returns an open descriptor and the device's path.

    The device is freed once the descriptor is closed and nothing is mounted from it. OSError.
    """
    image_fd = os.open(image, os.O_RDONLY | os.O_CLOEXEC)
    control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
    try:
        for _ in range(ATTEMPTS):
            device = f"/dev/loop{fcntl.ioctl(control, GET_FREE)}"
            fd = _configure(device, image_fd, tag=tag)
            if fd is not None:
                return fd, device
    finally:
        os.close(control)
        os.close(image_fd)
    raise OSError(errno.EBUSY, f"no loop device could be had for {image}")


def _configure(device: str, image_fd: int, *, tag: str) -> int | None:
    """Give the free `device` its file; None when somebody else was quicker."""
    config = bytearray(CONFIG_BYTES)
    struct.pack_into("I", config, 0, image_fd)
    struct.pack_into("I", config, STATUS_OFFSET_IN_CONFIG + FLAGS_OFFSET, READ_ONLY_AND_AUTOCLEAR)
    struct.pack_into(f"{NAME_BYTES}s", config, STATUS_OFFSET_IN_CONFIG + NAME_OFFSET, tag.encode())
    fd = os.open(device, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.ioctl(fd, CONFIGURE, config)
    except OSError as error:
        os.close(fd)
        if error.errno == errno.EBUSY:
            return None
        raise
    return fd


def attached(state: StateFolder) -> list[str]:
    """Return the machine's loop devices that hold an image of this testbed."""
    tag = tag_of(state)
    used = (path.parts[3] for path in Path("/sys/block").glob("loop*/loop"))
    return sorted(f"/dev/{name}" for name in used if _tag_on(f"/dev/{name}") == tag)


def _tag_on(device: str) -> str:
    """Return the tag a device carries; "" when it is let go of while we look."""
    status = bytearray(STATUS_BYTES)
    try:
        fd = os.open(device, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        fcntl.ioctl(fd, GET_STATUS64, status)
    except OSError:
        return ""
    finally:
        os.close(fd)
    name = bytes(status[NAME_OFFSET : NAME_OFFSET + NAME_BYTES])
    return name.split(b"\0", 1)[0].decode(errors="replace")
