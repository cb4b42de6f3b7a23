"""``python3 -m tensorrt_llm.llmapi.mgmn_worker_node``: a rank other than 0."""

from __future__ import annotations

from .._emulation.rank import run_worker

if __name__ == "__main__":
    run_worker()
