"""End a connection when the budget of its request is spent."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from harness.deadline import Deadline

if TYPE_CHECKING:
    from typing_extensions import Self

_OPENED = ("connection.connect_tcp.complete", "connection.start_tls.complete")


class Cutoff:
    """Shuts a connection down at a deadline; ``fired`` says that it did.

    ``receive_buffer`` is how many bytes the connection takes in unread; the system's own if none.

    HTTP clients bound each single read; a peer that sends a byte now and then never runs into that.
    """

    def __init__(self, deadline: Deadline, *, receive_buffer: int | None = None) -> None:
        self.fired = False
        self._receive_buffer = receive_buffer
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._timer = threading.Timer(deadline.remaining_s, self.fire)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Take note of the socket once it is open; the form is httpcore's ``trace`` extension."""
        if event in _OPENED:
            with self._lock:
                self._socket = info["return_value"].get_extra_info("socket")
                if self._socket is not None and self._receive_buffer:
                    size = self._receive_buffer
                    self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
                if self.fired:
                    self._shut()

    def fire(self) -> None:
        """Shut the connection down now, or as soon as it is open."""
        with self._lock:
            self.fired = True
            self._shut()

    def _shut(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):  # closed already: the request ended at this moment
                self._socket.shutdown(socket.SHUT_RDWR)
