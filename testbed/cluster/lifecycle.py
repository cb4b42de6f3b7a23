"""`up` and `down`: bring the testbed to life, and leave nothing of it.

The record in the state folder says what should run; the process tree says what does. `up` starts
only when both do not already agree, and clears whatever is half there first.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from testbed.cluster import needs, slurm, slurmconf, spank
from testbed.cluster.errors import TestbedError
from testbed.cluster.images import provide_image
from testbed.cluster.launch import await_idle, launch_anchor
from testbed.cluster.lock import locked
from testbed.cluster.paths import StateFolder
from testbed.cluster.residue import clear
from testbed.cluster.shape import Shape
from testbed.cluster.spec import Spec, own_folders
from testbed.cluster.tree import Tree, read_tree

Log = Callable[[str], None]


def up(state: StateFolder, shape: Shape, *, image: bool = True, log: Log = print) -> None:
    """Bring the testbed up in this shape; does nothing when it is up and healthy already.

    Raises NeedsMissing, StartFailed (everything undone), or TestbedError when a testbed of another
    shape runs jobs.
    """
    needs.check(state, shape)
    with locked(state, purpose="up"):
        image_path = provide_image(state, log=log) if image else None
        if _is_up_already(state, shape, image_path, log=log):
            return
        clear(state, log=log)
        _start(state, shape, image_path, log=log)


def down(state: StateFolder, *, log: Log = print) -> None:
    """End the testbed and everything in it, whatever its condition; fine when there is none."""
    if not state.root.exists():
        log(f"testbed: nothing to take down ({state.root} does not exist)")
        return
    with locked(state, purpose="down"):
        jobs = _jobs_text(read_tree(state))
        if jobs:
            log(f"testbed: these jobs end with it: {jobs}")
        clear(state, log=log)
        log("testbed: down")


def _jobs_text(tree: Tree | None) -> str:
    if tree is None or tree.problems():
        return ""  # There is nobody to ask.
    return ", ".join(f"{job.job_id} ({job.name})" for job in slurm.jobs(tree.anchor.pid))


def _is_up_already(state: StateFolder, shape: Shape, image: Path | None, *, log: Log) -> bool:
    """Whether nothing is to be done; tells what is wrong, or refuses to disturb running jobs."""
    tree = read_tree(state)
    if tree is None:
        return False
    problems = tree.problems() or slurm.node_problems(tree.anchor.pid)
    if problems:
        log(f"testbed: found one that is not healthy ({'; '.join(problems)}); starting anew")
        return False
    same_image = image is None or str(image) == tree.record.image
    if tree.record.shape == shape and same_image:
        log(f"testbed: up already ({shape.node_list}, {shape.gpus_per_node} GPUs each)")
        return True
    jobs = _jobs_text(tree)
    if jobs and tree.record.shape != shape:
        raise TestbedError(
            f"the testbed is up with another shape ({tree.record.shape}; asked for: {shape}) and"
            f" runs jobs: {jobs}. Let them end, or run `python -m testbed down` first."
        )
    if jobs:
        log("testbed: up already; steps take the new image from now on")
        return True
    log("testbed: up with another shape or image, and no job runs; starting anew")
    return False


def _start(state: StateFolder, shape: Shape, image: Path | None, *, log: Log) -> None:
    began = time.monotonic()
    plugin = spank.build_plugin(state)
    _write_configuration(state, shape, plugin)
    spec = Spec(state=state, shape=shape, keep=own_folders(state))
    try:
        launch_anchor(spec, image=image)
        await_idle(state)
    except BaseException:
        clear(state, log=lambda _: None)
        raise
    seconds = time.monotonic() - began
    log(f"testbed: up, {shape.node_list} idle, {shape.gpus_per_node} GPUs each ({seconds:.1f} s)")


def _write_configuration(state: StateFolder, shape: Shape, plugin: Path) -> None:
    for folder in (state.logs, state.spool, state.sockets, state.mountpoints, state.etc):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    for folder in (state.images, state.image_mounts, state.spool / "slurmctld"):
        folder.mkdir(parents=True, exist_ok=True)
    for name in ("scratch", "munge"):
        (state.mountpoints / name).mkdir()
    for name in shape.names:
        (state.spool / name).mkdir()
    (state.etc / "slurm.conf").write_text(slurmconf.slurm_conf(shape, state))
    (state.etc / "gres.conf").write_text(slurmconf.gres_conf(shape))
    (state.etc / "mpi.conf").write_text(slurmconf.mpi_conf())
    (state.etc / "cgroup.conf").write_text(slurmconf.cgroup_conf())
    (state.etc / "plugstack.conf").write_text(slurmconf.plugstack_conf(plugin, state))
