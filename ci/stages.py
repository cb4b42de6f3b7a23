"""Run the parts of a verb one after the other, each with a deadline, and stop in good order.

Ctrl-C at a terminal reaches the running part by itself, and that part winds down; here it only
means to wait for it, and to start nothing more. A signal to this process alone is handed on.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
WIND_DOWN_S = 180.0
"""How long a part may take to wind down after a signal, also after the one that its deadline sends:
a deployment is stopped in good order, and a testbed is taken down."""


class Stopped(Exception):
    """Somebody asked the verb to stop."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number

    @property
    def exit_code(self) -> int:
        """The exit code of a program that ended by this signal."""
        return 128 + self.number


@dataclass(frozen=True)
class Done:
    """How one part ended; 124 when it missed its deadline."""

    name: str
    exit_code: int
    seconds: float


class Stages:
    """Runs parts; remembers the first request to stop, and starts nothing after it."""

    def __init__(self, *, wind_down_s: float = WIND_DOWN_S) -> None:
        self._wind_down_s = wind_down_s
        self._stop: Stopped | None = None
        self._interruptible = False
        for number in STOP_SIGNALS:
            signal.signal(number, self._on_signal)

    def run(
        self,
        name: str,
        argv: Sequence[str | Path],
        *,
        timeout_s: float,
        env: Mapping[str, str] | None = None,
        output: Path | None = None,
    ) -> Done:
        """Run ``argv`` to its end; what it prints goes to the file ``output``, if there is one.

        Raises :class:`Stopped` when a stop was asked for before, or meanwhile; then only after the
        part has wound down.
        """
        self._check()
        started_s = time.monotonic()
        child = _start(argv, env=env, output=output)
        try:
            self._interruptible = True
            self._check()
            code = _wait(child, timeout_s)
        except Stopped as stopped:
            self._interruptible = False
            _hand_on(child, stopped.number)
            _wait(child, self._wind_down_s)
            raise
        finally:
            self._interruptible = False
        return Done(name, code, time.monotonic() - started_s)

    def clean_up(
        self,
        name: str,
        argv: Sequence[str | Path],
        *,
        timeout_s: float,
        env: Mapping[str, str] | None = None,
    ) -> Done:
        """Run ``argv`` to its end whoever asks to stop, before or meanwhile."""
        started_s = time.monotonic()
        child = _start(argv, env=env, out_of_reach=True)
        return Done(name, _wait(child, timeout_s), time.monotonic() - started_s)

    def _check(self) -> None:
        if self._stop is not None:
            raise self._stop

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self._stop is None:
            self._stop = Stopped(number)
            if self._interruptible:
                raise self._stop


def _start(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None,
    out_of_reach: bool = False,
    output: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start ``argv``; ``out_of_reach`` of the terminal's Ctrl-C, in a session of its own."""
    with output.open("ab") if output else nullcontext() as log:
        return subprocess.Popen(
            [str(word) for word in argv],
            env={**os.environ, **(env or {})},
            start_new_session=out_of_reach,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log and subprocess.STDOUT,
        )


def _hand_on(child: subprocess.Popen[bytes], number: int) -> None:
    # A second Ctrl-C within a second would make srun kill its tasks at once.
    if number != signal.SIGINT or not _terminal_signals_us():
        child.send_signal(number)


def _wait(child: subprocess.Popen[bytes], timeout_s: float) -> int:
    """Wait for ``child``, or end it past the deadline, in order; return its exit code, or 124."""
    try:
        code = child.wait(timeout_s)
    except subprocess.TimeoutExpired:
        _end(child)
        return 124
    return code if code >= 0 else 128 - code


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(WIND_DOWN_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _terminal_signals_us() -> bool:
    """Tell whether Ctrl-C at our terminal goes to the process group of us and our parts."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
