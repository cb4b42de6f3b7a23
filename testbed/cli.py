"""The command line of the testbed."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from testbed.cluster.errors import TestbedError
from testbed.cluster.hosts import enter_command
from testbed.cluster.lifecycle import down, up
from testbed.cluster.paths import StateFolder, default_state
from testbed.cluster.run import Allocation, caller_environment, require_up, run
from testbed.cluster.shape import LOGIN_NAME, Shape

TESTBED_FAILED = 125
"""Exit code when the testbed itself failed, so that it is not taken for the command's own code."""


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _up(options: argparse.Namespace, state: StateFolder) -> int:
    shape = Shape(
        nodes=options.nodes, gpus_per_node=options.gpus_per_node, shm_mib=options.shm_mib
    )
    up(state, shape, image=not options.no_image, log=_say)
    return 0


def _down(_options: argparse.Namespace, state: StateFolder) -> int:
    down(state, log=_say)
    return 0


def _run(options: argparse.Namespace, state: StateFolder) -> int:
    allocation = Allocation(nodes=options.nodes, time=options.time, wait_s=options.wait)
    return run(state, allocation, options.command)


def _shell(options: argparse.Namespace, state: StateFolder) -> int:
    options.command = ["bash", "-i"]
    return _run(options, state)


def _exec(options: argparse.Namespace, state: StateFolder) -> int:
    tree = require_up(state)
    pids = {LOGIN_NAME: tree.anchor.pid, **{name: n.init.pid for name, n in tree.nodes.items()}}
    if options.host not in pids:
        raise TestbedError(f"testbed: no host {options.host}; there are {', '.join(pids)}")
    command = enter_command(pids[options.host], options.command, cwd=Path.cwd())
    os.execvpe(command[0], command, dict(caller_environment()))


def _add_up(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    shape = Shape()
    verb = verbs.add_parser("up", help="bring the cluster up; does nothing when it is up already")
    verb.add_argument("--nodes", type=int, default=shape.nodes, help="1 to 16 (default %(default)s)")
    verb.add_argument("--gpus-per-node", type=int, default=shape.gpus_per_node)
    verb.add_argument("--shm-mib", type=int, default=shape.shm_mib)
    verb.add_argument("--no-image", action="store_true")
    verb.set_defaults(act=_up)


def build_parser() -> argparse.ArgumentParser:
    """The parser of `python -m testbed`."""
    parser = argparse.ArgumentParser(prog="python -m testbed", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    _add_up(verbs)
    verbs.add_parser("down", help="end the cluster and everything in it").set_defaults(act=_down)
    for name, act in (("run", _run), ("shell", _shell)):
        verb = verbs.add_parser(name)
        verb.add_argument("--nodes", type=int, default=1)
        verb.add_argument("--time", default="04:00:00")
        verb.add_argument("--wait", type=int, default=30)
        verb.set_defaults(act=act)
        if name == "run":
            verb.add_argument("command", nargs="+")
    verb = verbs.add_parser("exec")
    verb.add_argument("host")
    verb.add_argument("command", nargs="+")
    verb.set_defaults(act=_exec)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code."""
    options = build_parser().parse_args(arguments)
    try:
        act: Callable[[argparse.Namespace, StateFolder], int] = options.act
        return act(options, default_state())
    except TestbedError as error:
        _say(str(error))
        return TESTBED_FAILED
