"""The decode side in one rank: fetches its share of prompts' KV caches from prefill ranks."""

from __future__ import annotations

import errno
import os
import time
from dataclasses import dataclass, field

from ..logger import logger
from .events import Events, Timer
from .kv_buffer import Room, TransferBuffer
from .kv_peer import Asking, Peer
from .kv_sender import Report
from .wire import Message

_TIMED_OUT = f"[Errno {errno.ETIMEDOUT}] {os.strerror(errno.ETIMEDOUT)}"


@dataclass
class _Pull:
    """One share on its way."""

    tag: int
    request: Message
    started: float = field(default_factory=time.monotonic)
    timer: Timer | None = None
    room: Room | None = None
    peer: Peer | None = None
    answers_before: int = 0


class KvReceiver:
    """Pulls shares over connections that are made when first needed and then kept."""

    def __init__(
        self, events: Events, buffer: TransferBuffer, report: Report, *, timeout_s: float | None
    ) -> None:
        self._events = events
        self._buffer = buffer
        self._report = report
        self._timeout_s = timeout_s
        self._peers: dict[tuple[str, str], Peer] = {}
        self._pulls: dict[int, _Pull] = {}
        self._tag = 0

    def pull(self, request: Message) -> None:
        """Fetch one share: ``address``, ``key``, ``context``, ``part``, ``parts``, ``tokens``.

        ``id`` names the generation request in reports.
        """
        self._tag += 1
        pull = self._pulls[request["id"]] = _Pull(self._tag, request)
        if self._timeout_s is not None:
            pull.timer = self._events.later(self._timeout_s, lambda: self._expire(pull))
        pull.room = self._buffer.ask(
            request["tokens"], lambda: self._start(pull), what=f"generation request {request['id']}"
        )

    def discard(self, request: Message) -> None:
        """Tell the prefill rank that nobody will fetch this share."""
        self._peer(request).tell({"t": "release", **_place(request)})

    def cancel(self, request_id: int) -> None:
        """Stop fetching, and tell the prefill rank; an unknown request is fine."""
        pull = self._pulls.get(request_id)
        if pull is None:
            return
        self._end(pull)
        if pull.peer is None:
            self.discard(pull.request)
        else:
            pull.peer.tell({"t": "cancel", "tag": pull.tag})

    def close(self) -> None:
        """Stop everything and close all connections."""
        for pull in list(self._pulls.values()):
            self._end(pull)
        for peer in list(self._peers.values()):
            peer.close()
        self._peers.clear()

    def _start(self, pull: _Pull) -> None:
        pull.peer = self._peer(pull.request)
        pull.answers_before = pull.peer.answers
        pull.peer.ask(
            {"t": "want", "tag": pull.tag, **_place(pull.request)},
            Asking(
                lambda answer: self._answered(pull, answer),
                lambda why: self._fail(pull, f"{why}: {pull.request['address']}"),
            ),
        )

    def _answered(self, pull: _Pull, answer: Message) -> None:
        if answer["t"] != "kv":
            self._fail(pull, f"{pull.request['address']} says: {answer['error']}")
            return
        if pull.peer is not None:
            pull.peer.tell({"t": "got", "tag": pull.tag})
        self._end(pull)
        self._report(
            {
                "about": "pulled",
                "id": pull.request["id"],
                "part": pull.request["part"],
                "payload": answer["payload"],
                "seconds": time.monotonic() - pull.started,
            }
        )

    def _expire(self, pull: _Pull) -> None:
        request = pull.request
        logger.warning(
            f"Terminating generation request {request['id']} due to KV cache transfer timeout"
        )
        self._fail(pull, f"{self._why_late(pull)} within {1000 * (self._timeout_s or 0):.0f} ms")
        if pull.peer is None:
            self.discard(request)
            return
        pull.peer.tell({"t": "cancel", "tag": pull.tag})
        if pull.peer.answers == pull.answers_before:  # no sign of life: the next one dials anew
            pull.peer.retire()

    def _why_late(self, pull: _Pull) -> str:
        if pull.peer is not None:
            return f"{_TIMED_OUT}: nothing came from {pull.request['address']}"
        return (
            f"no room for {pull.request['tokens']} tokens in the transfer buffer "
            f"(max_tokens_in_buffer={self._buffer.capacity_tokens})"
        )

    def _fail(self, pull: _Pull, why: str) -> None:
        request = pull.request
        self._end(pull)
        error = (
            f"Error in kv cache transfer for generation requests: {why} "
            f"(context request {request['context']}, part {request['part'] + 1}/{request['parts']})"
        )
        logger.error(error)
        self._report({"about": "pull_failed", "id": request["id"], "error": error})

    def _end(self, pull: _Pull) -> None:
        self._pulls.pop(pull.request["id"], None)
        if pull.timer is not None:
            pull.timer.cancel()
        if pull.peer is not None:
            pull.peer.leave(pull.tag)
        if pull.room is not None:
            pull.room.release()

    def _peer(self, request: Message) -> Peer:
        name = (request["address"], request["key"])
        if name not in self._peers:
            self._peers[name] = Peer(self._events, *name, lambda: self._forget(name))
        return self._peers[name]

    def _forget(self, name: tuple[str, str]) -> None:
        self._peers.pop(name, None)


def _place(request: Message) -> Message:
    """Return what the prefill rank has to know of a share."""
    return {name: request[name] for name in ("context", "part", "parts")}
