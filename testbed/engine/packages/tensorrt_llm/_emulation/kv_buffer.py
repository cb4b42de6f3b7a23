"""The buffer that all transfers of one rank share, in either direction."""

from __future__ import annotations

from collections.abc import Callable

from ..logger import logger


class Room:
    """One transfer's place in the buffer: asked for, then taken, then given back."""

    def __init__(self, buffer: TransferBuffer, tokens: int, then: Callable[[], None]) -> None:
        self.tokens = tokens
        self.taken = False
        self._buffer = buffer
        self._then = then

    def release(self) -> None:
        """Give the place back, or stop waiting for it; twice is fine."""
        self._buffer.release(self)

    def take(self) -> None:
        """Start the transfer; called by the buffer."""
        self.taken = True
        self._then()


class TransferBuffer:
    """Room for so many tokens at a time (``max_tokens_in_buffer``); None is no limit.

    First come first served, except that one that can never fit does not hold up those that can.
    """

    def __init__(self, capacity_tokens: int | None) -> None:
        self.capacity_tokens = capacity_tokens
        self._used = 0
        self._rooms: list[Room] = []

    def ask(self, tokens: int, then: Callable[[], None], *, what: str) -> Room:
        """Run ``then`` as soon as there is room, perhaps now."""
        room = Room(self, tokens, then)
        self._rooms.append(room)
        if self.capacity_tokens is not None and tokens > self.capacity_tokens:
            logger.warning(
                f"{what}: {tokens} tokens do not fit the transfer buffer "
                f"(max_tokens_in_buffer={self.capacity_tokens}); it waits until it times out"
            )
        self._serve()
        return room

    def release(self, room: Room) -> None:
        """Give a room back, taken or not."""
        if room not in self._rooms:
            return
        self._rooms.remove(room)
        if room.taken:
            self._used -= room.tokens
        self._serve()

    def _serve(self) -> None:
        while (room := self._next()) is not None:
            self._used += room.tokens
            room.take()

    def _next(self) -> Room | None:
        for room in self._rooms:
            if room.taken or not self._fits(room.tokens, 0):
                continue
            return room if self._fits(room.tokens, self._used) else None
        return None

    def _fits(self, tokens: int, used: int) -> bool:
        return self.capacity_tokens is None or used + tokens <= self.capacity_tokens
