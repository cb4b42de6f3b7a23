"""A pytest plugin, for the benchmarks: what CPU time pytest's own process took, all threads of it.

``pytest -p benchmarks.own_cpu`` writes the seconds to the file that ``OWN_CPU_FILE`` names.
"""

from __future__ import annotations

import os
import time
from pathlib import Path


def pytest_unconfigure() -> None:
    """Write the seconds at the end, from the start of the interpreter on."""
    Path(os.environ["OWN_CPU_FILE"]).write_text(f"{time.process_time():.3f}\n", encoding="utf-8")
