"""The command line of the testbed: up, run, shell, exec, status, slurmctld, fault, down, image."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from testbed.cluster.controller import start_controller, stop_controller
from testbed.cluster.errors import TestbedError
from testbed.cluster.hosts import enter_command
from testbed.cluster.images import provide_image
from testbed.cluster.lifecycle import down, up
from testbed.cluster.lock import locked
from testbed.cluster.paths import StateFolder, default_state
from testbed.cluster.run import WAIT_S, Allocation, caller_environment, require_up, run
from testbed.cluster.shape import LOGIN_NAME, MAX_NODES, Shape
from testbed.cluster.status import as_text, status
from testbed.faults.command import add_fault_verb

TESTBED_FAILED = 125
"""Exit code when the testbed itself failed, so that it is not taken for the command's own code."""
INTERRUPTED, TERMINATED = 130, 143
DESCRIPTION = "A real Slurm cluster on this machine, with emulated GPUs. Needs root."
REAL = "real"
SBATCH = "sbatch"

Act = Callable[[argparse.Namespace, StateFolder], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code (125 when the testbed itself is at fault)."""
    own, command = _split(sys.argv[1:] if arguments is None else list(arguments))
    parser = build_parser()
    options = parser.parse_args(own)
    if hasattr(options, "command"):
        options.command = [*options.command, *command]
        if not options.command:
            parser.error(f"{options.verb}: a command is needed: {options.verb} ... -- CMD...")
    act: Act = options.act
    try:
        return act(options, default_state())
    except (TestbedError, ValueError) as error:
        _say(str(error))
        return TESTBED_FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Tell what is the testbed's and, after the first `--`, what is the command's."""
    if "--" not in arguments:
        return arguments, []
    where = arguments.index("--")
    return arguments[:where], arguments[where + 1 :]


def _say(text: str) -> None:
    """Words about the testbed go to stderr: stdout belongs to commands and to `status`."""
    print(text, file=sys.stderr, flush=True)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of `python -m testbed`."""
    parser = argparse.ArgumentParser(prog="python -m testbed", description=DESCRIPTION)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    _add_up(verbs)
    _add_commands(verbs)
    verb = verbs.add_parser("status", help="nodes, jobs, steps with their tasks, GPU memory")
    verb.add_argument("--json", action="store_true", help="as JSON (fields: testbed/README.md)")
    verb.set_defaults(act=_status)
    verb = verbs.add_parser("slurmctld", help="stop and start slurmctld; what runs goes on")
    verb.add_argument("action", choices=["stop", "start", "restart"], help="restart does both")
    verb.set_defaults(act=_slurmctld)
    add_fault_verb(verbs)
    verb = verbs.add_parser("down", help="end the cluster and everything in it; leaves nothing")
    verb.set_defaults(act=_down)
    verb = verbs.add_parser("image", help="the container image")
    verb.add_argument("action", choices=["build"], help="build image and model if they are missing")
    verb.set_defaults(act=_image)
    return parser


def _add_up(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    shape = Shape()
    verb = verbs.add_parser("up", help="bring the cluster up; does nothing when it is up already")
    sizes = {
        "--nodes": (shape.nodes, f"nodes, 1 to {MAX_NODES}"),
        "--gpus-per-node": (shape.gpus_per_node, "GPUs of each node, 0 to 16"),
        "--shm-mib": (shape.shm_mib, "size of each node's /dev/shm in MiB"),
        "--tmp-mib": (shape.tmp_mib, "size of each node's /tmp in MiB"),
    }
    for name, (default, words) in sizes.items():
        verb.add_argument(
            name, type=int, default=default, metavar="N", help=f"{words} (default {default})"
        )
    verb.add_argument(
        "--gpus",
        choices=["emulated", REAL],
        default="emulated",
        help="real: the one node has this machine's NVIDIA GPUs (default %(default)s)",
    )
    verb.add_argument("--no-image", action="store_true", help="build and link no container image")
    verb.set_defaults(act=_up)


def _add_commands(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    words = {
        "run": "run CMD on the first node of a new allocation, as after salloc",
        "shell": "an interactive shell on the first node of a new allocation",
    }
    for name, help_text in words.items():
        verb = verbs.add_parser(name, help=help_text)
        verb.add_argument("--nodes", type=int, metavar="N", help="nodes (default 1)")
        verb.add_argument("--time", default="04:00:00", help="time limit (default %(default)s)")
        verb.add_argument(
            "--wait", type=int, default=WAIT_S, metavar="S", help="longest wait for free nodes, s"
        )
        verb.set_defaults(act=_run if name == "run" else _shell)
        if name == "run":
            verb.add_argument("command", nargs="*", metavar="-- CMD")
    verb = verbs.add_parser("exec", help="run CMD on a host outside Slurm, as with ssh")
    verb.add_argument("host", help="node1, node2, ... or login")
    verb.add_argument("command", nargs="*", metavar="-- CMD")
    verb.set_defaults(act=_exec)


def _up(options: argparse.Namespace, state: StateFolder) -> int:
    shape = Shape(
        nodes=options.nodes,
        gpus_per_node=options.gpus_per_node,
        shm_mib=options.shm_mib,
        tmp_mib=options.tmp_mib,
        real_gpus=options.gpus == REAL,
    )
    # Ended from outside, it undoes itself as it does when it fails.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    up(state, shape, image=not options.no_image, log=_say)
    return 0


def _down(_options: argparse.Namespace, state: StateFolder) -> int:
    down(state, log=_say)
    return 0


def _run(options: argparse.Namespace, state: StateFolder) -> int:
    if Path(options.command[0]).name == SBATCH:
        _submit(options, state)
    nodes = 1 if options.nodes is None else options.nodes
    allocation = Allocation(nodes=nodes, time=options.time, wait_s=options.wait)
    return run(state, allocation, options.command)


def _submit(options: argparse.Namespace, state: StateFolder) -> NoReturn:
    """Submit a job from the login host: in an allocation it could wait for nodes held by that.

    `--nodes`, if given, is sbatch's then; all else is said in the script or by sbatch's options.
    """
    sbatch, *words = options.command
    nodes = [] if options.nodes is None else [f"--nodes={options.nodes}"]
    options.host, options.command = LOGIN_NAME, [sbatch, *nodes, *words]
    _exec(options, state)


def _shell(options: argparse.Namespace, state: StateFolder) -> int:
    options.command = ["bash", "-i"]
    return _run(options, state)


def _exec(options: argparse.Namespace, state: StateFolder) -> NoReturn:
    tree = require_up(state)
    pids = {LOGIN_NAME: tree.anchor.pid, **{name: n.init.pid for name, n in tree.nodes.items()}}
    if options.host not in pids:
        raise TestbedError(f"testbed: no host {options.host}; there are {', '.join(pids)}")
    command = enter_command(pids[options.host], options.command, cwd=Path.cwd())
    os.execvpe(command[0], command, dict(caller_environment()))  # noqa: S606 - no shell is meant


def _status(options: argparse.Namespace, state: StateFolder) -> int:
    facts = status(state)
    print(json.dumps(facts, indent=2) if options.json else as_text(facts))
    return 0 if facts["up"] and not facts["problems"] else 1


def _slurmctld(options: argparse.Namespace, state: StateFolder) -> int:
    if options.action != "start":
        stop_controller(require_up(state))
    if options.action != "stop":
        start_controller(require_up(state))
    return 0


def _image(_options: argparse.Namespace, state: StateFolder) -> int:
    with locked(state, purpose="image build"):
        path = provide_image(state, log=_say)
    _say(f"testbed: image {path}")
    return 0
