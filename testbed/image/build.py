"""The container image: built when it is missing or broken, in two stages that are kept apart.

1. dependencies: the Python environment of lock.txt, dear to make, remade only when the lock
  changes;
2. image: that environment, the emulated engine and the skeleton, as one squashfs file.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from testbed.image import skeleton
from testbed.image.commands import installer, need, run
from testbed.image.errors import ImageBuildError
from testbed.image.store import (
    digest,
    digest_of_folder,
    draft_in,
    drop_old,
    is_whole,
    is_whole_folder,
    one_at_a_time,
    stamp_file,
    stamp_folder,
)

LOCK_FILE = Path(__file__).with_name("lock.txt")
PRECOMPILE = Path(__file__).with_name("precompile.py")
ENGINE = Path(__file__).resolve().parents[1] / "engine"
SYSTEM_PYTHON = Path("/usr/bin/python3")
SERVICES = {"etcd": "etcd-server", "nats-server": "nats-server", "bash": "bash", "ps": "procps"}
"""Programs that a container takes from the machine's /usr, by the packages they come with."""

_RECIPE = "3"
"""Counts changes of how the stages are made that neither lock nor sources show."""

Log = Callable[[str], None]


def ensure_image(cache_dir: Path, *, log: Log) -> Path:
    """Return the image (a ``.sqsh`` file in the cache), built if it is missing or not whole.

    Raise ImageBuildError with the step that failed. Another process that builds at the same time
    is waited for.
    """
    folder = cache_dir / "image"
    with one_at_a_time(folder, timeout_s=600, log=log):
        image = folder / f"dynamo-trtllm-{_image_key()}.sqsh"
        if is_whole(image):
            return image
        for program, package in SERVICES.items():
            need(program, package)
        _build_image(image, _ensure_dependencies(folder, log=log), log=log)
        drop_old(folder, "dynamo-trtllm-*.sqsh", keep=image)
        return image


def ensure_environment(cache_dir: Path, *, log: Log) -> Path:
    """Return the image's Python environment as a folder of the cache."""
    folder = cache_dir / "image"
    with one_at_a_time(folder, timeout_s=600, log=log):
        return _ensure_dependencies(folder, log=log)


def python_of(environment: Path) -> Path:
    """Return the interpreter of an environment."""
    return environment / "bin" / "python3"


def _image_key() -> str:
    return digest(_RECIPE, _dependencies_key(), skeleton.definition(), digest_of_folder(ENGINE))


def _dependencies_key() -> str:
    interpreter = str(SYSTEM_PYTHON.resolve())
    return digest(
        _RECIPE,
        LOCK_FILE.read_text(encoding="utf-8"),
        PRECOMPILE.read_text(encoding="utf-8"),
        interpreter,
    )


# ------------------------------------------------------------------------------------- dependencies


def _ensure_dependencies(folder: Path, *, log: Log) -> Path:
    environment = folder / f"environment-{_dependencies_key()}"
    if is_whole_folder(environment):
        return environment
    started = time.monotonic()
    log("installing the image's Python packages (lock.txt)")
    with draft_in(folder) as draft:
        made = draft / "environment"
        _make_environment(made)
        install = [*installer(python_of(made)), "-r", str(LOCK_FILE)]
        run(install, step="installing lock.txt", timeout_s=600, env=_installer_environment())
        _point_scripts_inside(made / "bin")
        _compile(made)
        shutil.rmtree(environment, ignore_errors=True)
        made.rename(environment)
    stamp_folder(environment)
    drop_old(folder, "environment-*[0-9a-f]", keep=environment)
    log(f"image's Python packages installed in {time.monotonic() - started:.1f} s")
    return environment


def _make_environment(folder: Path) -> None:
    """Make a virtual environment that works wherever it is moved to.

    The interpreter finds it by its own place.
    """
    interpreter = SYSTEM_PYTHON.resolve()
    if not interpreter.exists():
        raise ImageBuildError(f"image: {SYSTEM_PYTHON} is missing; Debian: apt-get install python3")
    ask = "import sys; print('%d.%d' % sys.version_info[:2])"
    version = run([str(interpreter), "-I", "-c", ask], step="python", timeout_s=20).strip()
    (folder / "bin").mkdir(parents=True)
    (folder / "lib" / f"python{version}" / "site-packages").mkdir(parents=True)
    for name in ("python", "python3", f"python{version}"):
        (folder / "bin" / name).symlink_to(interpreter)
    facts = (f"home = {interpreter.parent}", "include-system-site-packages = false")
    (folder / "pyvenv.cfg").write_text(
        "\n".join((*facts, f"version = {version}\n")), encoding="utf-8"
    )


def _installer_environment() -> dict[str, str]:
    """Return the caller's environment without what would send the packages elsewhere."""
    unwanted = (
        "VIRTUAL_ENV",
        "PYTHONPATH",
        "PYTHONHOME",
        "PIP_TARGET",
        "PIP_PREFIX",
        "PIP_USER",
        "PIP_REQUIRE_VIRTUALENV",
    )
    return {name: value for name, value in os.environ.items() if name not in unwanted}


def _point_scripts_inside(scripts: Path) -> None:
    """Let console scripts start the interpreter at its place in the container."""
    for script in scripts.iterdir():
        if script.is_symlink() or not script.is_file():
            continue
        content = script.read_bytes()
        first, separator, rest = content.partition(b"\n")
        if first.startswith(b"#!") and b"python" in first:
            script.write_bytes(f"#!{skeleton.PREFIX}/bin/python3".encode() + separator + rest)


# -------------------------------------------------------------------------------------------- image


def _build_image(image: Path, environment: Path, *, log: Log) -> None:
    started = time.monotonic()
    squash = need("mksquashfs", "squashfs-tools")
    log("building the container image")
    with draft_in(image.parent) as draft:
        root = draft / "root"
        skeleton.write_skeleton(root)
        inside = root / skeleton.PREFIX.lstrip("/")
        shutil.copytree(environment, inside, symlinks=True, copy_function=_link)
        _install_engine(inside)
        _link(
            str(_site_packages(inside) / "certifi" / "cacert.pem"),
            str(root) + skeleton.CERTIFICATES,
        )
        file = draft / "image.sqsh"
        # Not compressed: reading must cost no CPU where many ranks start on few cores.
        plain = [
            "-noI",
            "-noD",
            "-noF",
            "-noX",
            "-no-xattrs",
            "-all-root",
            "-no-progress",
            "-quiet",
        ]
        run([squash, str(root), str(file), *plain], step="mksquashfs", timeout_s=300)
        image.unlink(missing_ok=True)
        file.rename(image)
    stamp_file(image)
    log(
        f"container image built in {time.monotonic() - started:.1f} s "
        f"({image.stat().st_size >> 20} MiB)"
    )


def _link(source: str, target: str) -> None:
    """Link instead of copying: the environment is 500 MB that nobody writes to."""
    os.link(source, target, follow_symlinks=False)


def _install_engine(inside: Path) -> None:
    site_packages = _site_packages(inside)
    ignore = shutil.ignore_patterns("__pycache__")
    for package in (ENGINE / "packages").iterdir():
        if package.is_dir() and package.name != "__pycache__":
            shutil.copytree(package, site_packages / package.name, ignore=ignore)
    launcher = inside / "bin" / "trtllm-llmapi-launch"
    shutil.copyfile(ENGINE / "trtllm-llmapi-launch", launcher)
    launcher.chmod(0o755)
    _compile(inside, *(package.name for package in sorted((ENGINE / "packages").iterdir())))


def _compile(environment: Path, *packages: str) -> None:
    """Compile packages, or what Dynamo imports, so that containers need not."""
    site_packages = _site_packages(environment)
    place = f"{skeleton.PREFIX}/{site_packages.relative_to(environment)}"
    command = [
        str(python_of(environment)),
        "-B",
        str(PRECOMPILE),
        str(site_packages),
        place,
        *packages,
    ]
    variables = {
        "PATH": "/usr/bin:/bin",
        "HOME": "/nonexistent",
        "PYTHONPATH": str(ENGINE / "packages"),
    }
    run(command, step="compiling Python sources", timeout_s=300, env=variables)


def _site_packages(environment: Path) -> Path:
    return next((environment / "lib").glob("python3*")) / "site-packages"
