"""The requests under way to one server: when something last came, and how to end them all."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from harness.cutoff import Cutoff


class Traffic:
    """Safe to share between threads.

    ``last_arrival_s`` is on the monotonic clock: when bytes of any answer last came.
    """

    def __init__(self) -> None:
        self.last_arrival_s = time.monotonic()
        self._given_up = ""
        self._under_way: set[Cutoff] = set()
        self._lock = threading.Lock()

    def arrived(self) -> None:
        """Note that bytes of an answer have come."""
        self.last_arrival_s = time.monotonic()

    def why_given_up(self) -> str:
        """Say why no answer is waited for any more; empty while answers are."""
        return self._given_up

    @contextmanager
    def under_way(self, cutoff: Cutoff) -> Iterator[None]:
        """Count a request as under way, so that it can be ended from outside."""
        with self._lock:
            self._under_way.add(cutoff)
        try:
            yield
        finally:
            with self._lock:
                self._under_way.discard(cutoff)

    def give_up(self, why: str) -> None:
        """End all requests under way at once, and answer each later one with ``why``."""
        with self._lock:
            self._given_up = self._given_up or why
            waiting = list(self._under_way)
        for cutoff in waiting:
            cutoff.fire()
