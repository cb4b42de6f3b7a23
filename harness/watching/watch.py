"""The watch over one deployment: what its steps write, and what its pulses find."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from harness.diagnosis.facts import Fact
from harness.diagnosis.signatures import SIGNATURES
from harness.watching.pulse import Pulse
from harness.watching.watched import Watched

LOOK_EVERY_S = 0.25
"""Pause between two looks at logs and steps: short beside the 5 s in which a death is told."""


class Watch:
    """Looks and asks until the first alarm, or until it is stopped.

    ``watched`` gives the steps that have to live now. ``on_alarm`` is called once, from a thread.
    """

    def __init__(
        self, watched: Callable[[], Sequence[Watched]], *, on_alarm: Callable[[Fact], None]
    ) -> None:
        self._watched = watched
        self._on_alarm = on_alarm
        self._pulses: list[Pulse] = []
        self._resting = 0
        self._stopped = threading.Event()
        self._looking = threading.RLock()
        self._alarm: Fact | None = None
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    @property
    def alarm(self) -> Fact | None:
        """What the first alarm was about, or ``None``."""
        return self._alarm

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def add(self, pulse: Pulse) -> None:
        """Begin to ask something more."""
        self._pulses.append(pulse)
        pulse.start()

    def stop(self) -> None:
        """Look and ask no more; an alarm that was raised stays."""
        self._stopped.set()
        for pulse in self._pulses:
            pulse.stop()
        with self._looking:  # a look under way is the last one
            pass

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Raise no alarm meanwhile: what happens is done on purpose."""
        with self._looking:
            self._resting += 1
            for pulse in self._pulses:
                pulse.rest()
        try:
            yield
        finally:
            with self._looking:
                self._resting -= 1
                for pulse in self._pulses if not self._resting else ():
                    pulse.go_on()

    def raise_alarm(self, fact: Fact) -> None:
        """Keep the first alarm, and tell of it."""
        with self._looking:
            if self._alarm is not None or self._stopped.is_set() or self._resting:
                return
            self._alarm = fact
        self._on_alarm(fact)

    def _run(self) -> None:
        while not self._stopped.wait(LOOK_EVERY_S) and self._alarm is None:
            with self._looking:
                found = None if self._resting or self._stopped.is_set() else self._look()
            if found is not None:
                self.raise_alarm(found)

    def _look(self) -> Fact | None:
        for each in self._watched():
            new = each.listener.listen()
            if (ended := each.ended(new)) is not None:
                return ended
            for fact in new:
                row = SIGNATURES.rows.get(fact.name)
                if row is not None and row.fatal:
                    return fact
        return None
