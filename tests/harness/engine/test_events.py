"""The event loop of a rank: connections that are refused, given up or slow hold up nothing."""

from __future__ import annotations

import errno
import socket

import pytest
from tensorrt_llm._emulation.events import Events
from tensorrt_llm._emulation.wire import Channel, PatientChannel, listen


def test_a_refused_connection_is_told_and_the_loop_goes_on() -> None:
    events, told = Events(), list[int | None]()
    with listen("127.0.0.1", 0) as trial:
        port = trial.getsockname()[1]

    def refused(error: OSError) -> None:
        told.append(error.errno)
        events.stop()

    events.dial("127.0.0.1", port, lambda _: None, refused)
    events.run()

    assert told == [errno.ECONNREFUSED]


def test_a_connection_given_up_is_never_told_of() -> None:
    events, told = Events(), list[object]()
    with listen("127.0.0.1", 0) as listener:
        give_up = events.dial("127.0.0.1", listener.getsockname()[1], told.append, told.append)
        give_up()
        events.later(0.02, events.stop)

        events.run()

    assert told == []


@pytest.mark.parametrize("host", ["256.0.0.1", "localhost", ""])
def test_a_host_that_is_no_address_is_an_error_like_any_other(host: str) -> None:
    events, told = Events(), list[int | None]()

    def failed(error: OSError) -> None:
        told.append(error.errno)
        events.stop()

    events.dial(host, 1, lambda _: None, failed)
    events.run()

    assert told == [errno.EINVAL]


def test_a_cancelled_timer_does_nothing() -> None:
    events, ran = Events(), list[str]()
    events.later(0.01, lambda: ran.append("never")).cancel()
    events.later(0.02, events.stop)

    events.run()

    assert ran == []


def pairs(count: int) -> list[tuple[socket.socket, socket.socket]]:
    """Return connected pairs of TCP sockets."""
    made = []
    for _ in range(count):
        with listen("127.0.0.1", 0) as listener:
            near = socket.create_connection(listener.getsockname())
            far, _ = listener.accept()
            made.append((near, far))
    return made


def test_a_slow_reader_gets_all_of_it_and_holds_up_nobody() -> None:
    events, (near, far) = Events(), pairs(1)[0]
    sender, receiver, got = PatientChannel(near), Channel(far), list[int]()
    events.watch(sender, lambda *_: None, lambda _: None)
    for place in range(60):
        sender.send({"place": place, "payload": "x" * 200_000})
    assert sender.wants_to_send

    def read(_: Channel, message: dict[str, int]) -> None:
        got.append(message["place"])
        if len(got) == 60:
            events.stop()

    events.watch(receiver, read, lambda _: events.stop())
    events.run()

    assert got == list(range(60))
    assert not sender.wants_to_send


def test_who_was_forgotten_in_the_same_round_is_not_called() -> None:
    events, told = Events(), list[Channel]()
    channels = [Channel(near) for near, far in pairs(2) if far.send(b"\0\0\0\2{}")]

    def first(channel: Channel, _: object) -> None:
        told.append(channel)
        for other in channels:
            events.forget(other)

    for channel in channels:
        events.watch(channel, first, told.append)
    events.later(0.02, events.stop)
    events.run()

    assert len(told) == 1
