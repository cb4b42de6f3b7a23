"""The KV cache transceiver of one rank: its listener, what it holds, and what it fetches."""

from __future__ import annotations

import socket

from .events import Events
from .kv_buffer import TransferBuffer
from .kv_receiver import KvReceiver
from .kv_sender import KvSender, Report
from .rules import Plan
from .wire import Message, PatientChannel, listen
from .world import addresses


class KvTransceiver:
    """Closed until an engine with ``cache_transceiver_config`` is loaded, and after it is not."""

    def __init__(self, events: Events, report: Report) -> None:
        self._events = events
        self._report = report
        self._listener: socket.socket | None = None
        self._sender: KvSender | None = None
        self._receiver: KvReceiver | None = None

    def open(self, plan: Plan) -> str | None:
        """Listen on this node's address; return it, as HOST:PORT, or None without a config."""
        config = plan["transceiver"]
        if config is None:
            return None
        timeout_ms = config["timeout_ms"]
        timeout_s = None if timeout_ms is None else timeout_ms / 1000
        buffer = TransferBuffer(config["max_tokens"])
        self._sender = KvSender(
            self._events, buffer, self._report, key=config["key"], timeout_s=timeout_s
        )
        self._receiver = KvReceiver(self._events, buffer, self._report, timeout_s=timeout_s)
        self._listener = listen(addresses()[0], 0)
        self._events.accept(
            self._listener, self._sender.on_message, self._sender.on_closed, kind=PatientChannel
        )
        host, port = self._listener.getsockname()
        return f"{host}:{port}"

    def close(self) -> None:
        """Give up what is held and under way, and the port."""
        if self._listener is not None:
            self._events.close_listener(self._listener)
            self._listener = None
        if self._sender is not None:
            self._sender.close()
            self._sender = None
        if self._receiver is not None:
            self._receiver.close()
            self._receiver = None

    def take(self, message: Message) -> None:
        """Do what the LLM's process wants: hold, drop, pull, discard or cancel."""
        if self._sender is None or self._receiver is None:
            return
        wish = message["do"]
        if wish == "hold":
            self._sender.hold(message["context"], message["payload"])
        elif wish == "drop":
            self._sender.drop(message["context"])
        elif wish == "pull":
            self._receiver.pull(message)
        elif wish == "discard":
            self._receiver.discard(message)
        elif wish == "cancel":
            self._receiver.cancel(message["id"])
