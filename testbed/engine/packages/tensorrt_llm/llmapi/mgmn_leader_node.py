"""``python3 -m tensorrt_llm.llmapi.mgmn_leader_node``: rank 0 of a worker.

``--action stop`` ends the one that runs on this node; ``--action alone`` is for an LLM that starts
its only rank by itself.
"""

from __future__ import annotations

import sys


def main(arguments: list[str]) -> None:
    """Start (the default) or stop the communication server."""
    action = "start" if not arguments else arguments[-1]
    if arguments not in ([], ["--action", action]) or action not in ("start", "stop", "alone"):
        raise SystemExit("usage: mgmn_leader_node [--action start|stop|alone]")
    from .._emulation import leader_rank

    if action == "stop":
        leader_rank.stop_leader()
    else:
        leader_rank.run_leader(alone=action == "alone")


if __name__ == "__main__":
    main(sys.argv[1:])
