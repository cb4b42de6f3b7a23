"""A pulse: one thing asked again and again, from a thread of its own, with an alarm."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from harness.diagnosis.facts import Fact
from harness.errors import QualificationError

Ask = Callable[[], Sequence[Fact]]
"""Returns what is wrong now, or nothing; what could not be asked is nothing wrong."""


class Pulse:
    """Asks every ``every_s`` seconds; raises the alarm when nothing was right for ``limit_s``."""

    def __init__(
        self,
        name: str,
        ask: Ask,
        *,
        every_s: float,
        limit_s: float,
        alarm: Callable[[Fact], None],
        on_broken: Callable[[str], None] = lambda _: None,
    ) -> None:
        """``on_broken`` is told of a defect of the question itself, which then found nothing."""
        self._name = name
        self._on_broken = on_broken
        self._ask = ask
        self._every_s = every_s
        self._limit_s = limit_s
        self._alarm = alarm
        self._stop = threading.Event()
        self._resting = False
        self._rests = 0
        self._right_s = time.monotonic()
        self._thread = threading.Thread(target=self._run, name=f"pulse-{name}", daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._right_s = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """Ask no more; a question under way is not waited for, and its answer not heard."""
        self._stop.set()

    def rest(self) -> None:
        """Hear no answers until :meth:`go_on`: something is being done on purpose."""
        self._resting = True
        self._rests += 1

    def go_on(self) -> None:
        """Hear answers again, as if all had been right until now."""
        self._right_s = time.monotonic()
        self._rests += 1
        self._resting = False

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            if self._resting:
                continue
            rests = self._rests
            try:
                wrong = list(self._ask())
            except QualificationError:  # what cannot be asked says nothing
                wrong = []
            except Exception as broken:  # noqa: BLE001 - a pulse that stops would be silent
                if not self._stop.is_set():
                    self._on_broken(f"pulse {self._name}: {broken!r}")
                wrong = []
            if self._stop.is_set() or rests != self._rests:
                continue
            self._judge(wrong)

    def _judge(self, wrong: Sequence[Fact]) -> None:
        now = time.monotonic()
        if not wrong:
            self._right_s = now
        elif now - self._right_s >= self._limit_s:
            self._alarm(wrong[0])
