"""The file system view of one host of the testbed, made inside that host's own mount namespace.

A host sees the machine's root file system as it is (a shared root, checkout included), except for
what is its own: /proc /sys /dev /dev/shm /run /tmp, an /etc with the cluster's hosts file and Slurm
configuration, `enroot` and `nvidia-smi` in /usr/local/bin (the latter unless the machine's own is
meant), and /srv, which all hosts share.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path

from testbed.cluster import syscalls as sys_
from testbed.cluster.spank import ENROOT_SCRIPT
from testbed.cluster.spec import Spec
from testbed.gpu import SMI_SCRIPT
from testbed.gpu.devices import DeviceFile, device_files

TMP, SHM = "/tmp", "/dev/shm"  # noqa: S108 - mount points: no file is made in the machine's own
PRIVATE_FOLDERS = ("/dev", "/run", TMP, "/srv")
GPU_FOLDER = Path("/run/emulated-gpu")
IMEX_CHANNEL = "nvidia-caps-imex-channels/channel0"
_CHARACTER_DEVICES = {
    "null": (1, 3),
    "zero": (1, 5),
    "full": (1, 7),
    "random": (1, 8),
    "urandom": (1, 9),
    "kmsg": (1, 11),
    "tty": (5, 0),
}
_LOOP_CONTROL = (10, 237)


def hidden_on_hosts(path: Path) -> bool:
    """Tell whether `path` lies below a folder of which every host has its own."""
    return any(str(path).startswith(folder + "/") for folder in PRIVATE_FOLDERS)


def build_host_view(spec: Spec, *, name: str, gpus: int) -> None:
    """Give this process's mount namespace the view of host `name`. Raises OSError."""
    sys_.make_mounts_private()
    sys_.mount("proc", "/proc", "proc", flags=sys_.MS_NOSUID | sys_.MS_NODEV | sys_.MS_NOEXEC)
    kept = [(path, os.open(path, os.O_PATH)) for path in spec.keep if hidden_on_hosts(path)]
    scratch = spec.state.mountpoints / "scratch"
    sys_.mount("tmpfs", str(scratch), "tmpfs", data="mode=0755,size=64m")
    _overlay_etc(spec, scratch, name=name)
    _overlay_programs(scratch, emulated=not spec.shape.real_gpus)
    sysfs_flags = sys_.MS_RDONLY | sys_.MS_NOSUID | sys_.MS_NODEV | sys_.MS_NOEXEC
    sys_.mount("sysfs", "/sys", "sysfs", flags=sysfs_flags)
    munge = os.open(spec.state.mountpoints / "munge", os.O_PATH)
    shared = os.open(spec.state.shared, os.O_PATH)
    real = device_files() if spec.shape.real_gpus else []
    _make_dev(spec.shape.shm_mib)
    _make_gpu_files(gpus, real=real)
    sys_.mount("tmpfs", TMP, "tmpfs", data=f"mode=1777,size={spec.shape.tmp_mib}m")
    _make_run(munge)
    _bind_fd(shared, "/srv")
    for path, fd in kept:
        path.mkdir(parents=True, exist_ok=True)
        _bind_fd(fd, str(path))


def _bind_fd(fd: int, target: str) -> None:
    """Bind the folder behind `fd`, which may be covered by now, on `target`; closes `fd`."""
    sys_.bind(f"/proc/self/fd/{fd}", target)
    os.close(fd)


def _overlay(target: str, scratch: Path) -> Path:
    """Make `target` writable for this host alone; returns the folder that holds its additions."""
    layer = scratch / target.strip("/").replace("/", "-")
    upper, work = layer / "upper", layer / "work"
    upper.mkdir(parents=True)
    work.mkdir()
    data = f"lowerdir={target},upperdir={upper},workdir={work}"
    sys_.mount("overlay", target, "overlay", data=data)
    return upper


def _overlay_etc(spec: Spec, scratch: Path, *, name: str) -> None:
    etc = Path("/etc")
    _overlay(str(etc), scratch)
    _replace(etc / "hosts", spec.shape.hosts_file())
    _replace(etc / "hostname", f"{name}\n")
    # No name server can be reached from here; an empty list makes every look-up fail at once.
    _replace(etc / "resolv.conf", "# no name server: hosts are named in /etc/hosts\n")
    (etc / "slurm").mkdir(exist_ok=True)
    sys_.bind(str(spec.state.etc), str(etc / "slurm"))


def _replace(path: Path, text: str) -> None:
    """Write a file anew; a symbolic link in its place (resolv.conf's) is not followed."""
    path.unlink(missing_ok=True)
    path.write_text(text)


def _overlay_programs(scratch: Path, *, emulated: bool) -> None:
    target = Path("/usr/local/bin")
    _overlay(str(target), scratch)
    _install(ENROOT_SCRIPT, target / "enroot")
    if emulated:
        _install(SMI_SCRIPT, target / "nvidia-smi")


def _install(script: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    shutil.copyfile(script, target)
    target.chmod(0o755)


def _make_dev(shm_mib: int) -> None:
    sys_.mount("tmpfs", "/dev", "tmpfs", flags=sys_.MS_NOSUID, data="mode=0755,size=16m")
    for name, (major, minor) in _CHARACTER_DEVICES.items():
        _make_node(f"/dev/{name}", stat.S_IFCHR, (major, minor), mode=0o666)
    _make_node("/dev/loop-control", stat.S_IFCHR, _LOOP_CONTROL, mode=0o660)
    for link, target in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        Path("/dev", link).symlink_to(f"/proc/self/fd{target}")
    for folder in ("/dev/pts", "/dev/mqueue", SHM):
        Path(folder).mkdir()
    sys_.mount("devpts", "/dev/pts", "devpts", data="newinstance,ptmxmode=0666,mode=0620,gid=5")
    Path("/dev/ptmx").symlink_to("pts/ptmx")
    shm_flags = sys_.MS_NOSUID | sys_.MS_NODEV
    sys_.mount("tmpfs", SHM, "tmpfs", flags=shm_flags, data=f"mode=1777,size={shm_mib}m")


def _make_gpu_files(gpus: int, *, real: Sequence[DeviceFile]) -> None:
    """Regular files stand for emulated GPUs: they can be opened, and Slurm counts them."""
    if real:
        for file in real if gpus else []:
            file.make(Path("/dev"))
        return
    names = [f"nvidia{index}" for index in range(gpus)]
    for name in [*names, "nvidiactl", "nvidia-uvm", IMEX_CHANNEL] if gpus else []:
        path = Path("/dev") / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
        path.chmod(0o666)


def _make_node(path: str, kind: int, number: tuple[int, int], *, mode: int) -> None:
    os.mknod(path, kind | mode, os.makedev(*number))
    Path(path).chmod(mode)  # The umask took bits away.


def _make_run(munge_fd: int) -> None:
    sys_.mount("tmpfs", "/run", "tmpfs", flags=sys_.MS_NOSUID | sys_.MS_NODEV, data="mode=0755")
    for folder in ("munge", "lock", "emulated-gpu", "container", "container-names"):
        Path("/run", folder).mkdir()
    _bind_fd(munge_fd, "/run/munge")
    sys_.mount("tmpfs", str(GPU_FOLDER), "tmpfs", data="mode=0755,size=16m")
