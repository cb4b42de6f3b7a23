"""Secrets in the logs of a run that was killed: those whose pytest came to its end have none left.

Logs are written by the srun of each step, which outlives pytest until the guards have stopped the
step. A file that is replaced under its writer's hands would lose what it writes from then on, so
nothing is touched before all writers are gone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from harness.deadline import Deadline, wait_until
from harness.guard.owner import host_of, read_owner
from harness.journal import JOURNAL_FILE, read_journal
from harness.judge_run import goes_on
from harness.qualification.saved import SavedRun
from harness.rundir import RunDirectory

WAIT_S = 30.0
"""Seconds for the guards to stop what a pytest that was killed just now has left: 10 are usual."""

DRAINED_S = 150.0
"""Seconds after pytest's last word within which its steps may live: a stop takes 120 by default.

It counts where pytest was on another host, whose processes cannot be seen.
"""

AGAIN = "later: python -m harness verdict {}"


def take_out_later(saved: SavedRun, *, wait_s: float = WAIT_S) -> Iterator[str]:
    """Take the secrets out of what others wrote into a killed run; yield why some may be left.

    By name, by shape, and by the values that this process's environment has. A run that ended in
    order had it done by its pytest. Raises :class:`OSError` where nothing can be written.
    """
    if any(entry.event == "end" for entry in read_journal(saved.path / JOURNAL_FILE)):
        return
    again = AGAIN.format(saved.path)
    if not wait_until(lambda: not is_written(saved), Deadline.after(wait_s), poll_s=0.25):
        yield f"logs may show secrets: steps of the run may still write them; {again}"
        return
    directory = RunDirectory(saved.path, saved.run_id)
    taken = directory.take_out_secrets()
    if taken.changed:
        directory.event("secrets taken out", {"files": taken.names(taken.changed)})
    if taken.busy:
        yield f"written meanwhile, may show secrets: {', '.join(taken.names(taken.busy))}; {again}"


def is_written(saved: SavedRun) -> bool:
    """Whether anybody may write the run's logs: its pytest, an srun here, or steps seen from here.

    An srun is known by the name of its step, which has the run's id.
    """
    if goes_on(saved.path) or any(_step_names(saved.run_id)):
        return True
    host = host_of(read_owner(saved.path)[1])
    elsewhere = host not in {"", os.uname().nodename}
    return elsewhere and time.time() < saved.judged.last_at + DRAINED_S


def _step_names(run_id: str) -> Iterator[Path]:
    """Yield the processes of this host that name a step of the run on their command line."""
    prefix = f"qualify-{run_id}-".encode()
    for words in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has just ended
            if prefix in words.read_bytes():
                yield words.parent
