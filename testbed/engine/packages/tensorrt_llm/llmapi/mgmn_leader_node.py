"""``python3 -m tensorrt_llm.llmapi.mgmn_leader_node``: rank 0 of a worker.

``--action stop`` ends it.
"""

from __future__ import annotations

import sys


def main(arguments: list[str]) -> None:
    """Start (the default) or stop the communication server."""
    from .._emulation import leader_rank

    action = arguments[1] if arguments[:1] == ["--action"] and len(arguments) == 2 else "start"
    if action not in ("start", "stop") or (arguments and len(arguments) != 2):
        raise SystemExit("usage: mgmn_leader_node [--action start|stop]")
    (leader_rank.stop_leader if action == "stop" else leader_rank.run_leader)()


if __name__ == "__main__":
    main(sys.argv[1:])
