"""Entry of the testbed's own small processes; run as `python3 -I -S boot.py VERB ...`.

anchor SPEC                         fork the anchor, print its pid, start it on "go" (see anchor.py)
enter kill|term PID CWD -- CMD...   run CMD in the namespaces of process PID (see enter.py)
probe                               print what of the kernel is missing (see probe.py)
task SOCKET                         in a step: become the command `run` was given (see task.py)

`-I -S` keep the start short and the user's Python settings out; that is why the path is set here.
"""
# ruff: noqa: PLC0415 - a verb loads only what it needs: steps wait for these starts.

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


def _anchor(arguments: list[str]) -> int:
    from testbed.cluster.anchor import launch_anchor
    from testbed.cluster.spec import read_spec

    print(launch_anchor(read_spec(Path(arguments[0]))), flush=True)
    return 0


def _enter(arguments: list[str]) -> int:
    from testbed.cluster.enter import enter_and_run

    ending, pid, cwd, separator, *command = arguments
    if separator != "--" or not command:
        raise SystemExit("usage: enter kill|term PID CWD -- CMD...")
    return enter_and_run(int(pid), Path(cwd), command, gently=ending == "term")


def _task(arguments: list[str]) -> int:
    from testbed.cluster.task import become_command

    return become_command(Path(arguments[0]))


def _probe(_arguments: list[str]) -> int:
    from testbed.cluster.probe import missing_features

    print("\n".join(missing_features()))
    return 0


if __name__ == "__main__":
    _VERBS = {"anchor": _anchor, "enter": _enter, "probe": _probe, "task": _task}
    raise SystemExit(_VERBS[sys.argv[1]](sys.argv[2:]))
