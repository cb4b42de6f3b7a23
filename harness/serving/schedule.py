"""When requests are due: a fixed rate that neither waits for answers nor makes up for lost time."""

from __future__ import annotations

import threading
import time
from math import floor


class Schedule:
    """Deals the moments at which a request is due, each once, on the monotonic clock.

    ``missed`` counts those that passed with nobody to take them. Safe to share between threads.
    """

    def __init__(self, rate_per_s: float) -> None:
        self.missed = 0
        self._rate_per_s = rate_per_s
        self._lock = threading.Lock()
        self._began_s = 0.0
        self._next = 0

    def begin(self) -> None:
        """Make now the first moment."""
        self._began_s = time.monotonic()

    def next_pause_s(self) -> float:
        """Take the next moment; return how far off it is, in seconds.

        One that is past is still served until the next one is due: so a client that comes a
        millisecond late costs no request, and yet no two moments are ever made up for at once.
        """
        with self._lock:
            now_s = time.monotonic() - self._began_s
            due = max(self._next, floor(now_s * self._rate_per_s))
            self.missed += due - self._next
            self._next = due + 1
        return max(0.0, due / self._rate_per_s - now_s)
