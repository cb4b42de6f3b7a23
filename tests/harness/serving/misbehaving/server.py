"""The server: reads requests, lets the model talk, and sends what the misbehaviour leaves of it."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import replace

from tests.harness.serving.misbehaving.ask import read_ask
from tests.harness.serving.misbehaving.choices import Choice, generate
from tests.harness.serving.misbehaving.hooks import (
    HONEST,
    Json,
    Misbehaviour,
    Pause,
    Reset,
    Settings,
    State,
    Step,
    Turn,
)
from tests.harness.serving.misbehaving.reply import DONE, Refused, Reply, encoded
from tests.harness.serving.misbehaving.shapes import chunks, shape_of, usage_of, whole
from tests.harness.serving.misbehaving.wire import (
    HEAD_LIMIT_BYTES,
    ClientGoneError,
    Peer,
    Request,
)

CHAT = "/v1/chat/completions"
PLAIN = "/v1/completions"
METHODS = {CHAT: "POST", PLAIN: "POST", "/v1/models": "GET", "/health": "GET", "/live": "GET"}


class Server:
    """A small OpenAI-compatible server with one model and at most one misbehaviour."""

    def __init__(self, settings: Settings, misbehaviour: Misbehaviour = HONEST) -> None:
        self._state = State(settings)
        self._does = misbehaviour

    async def listen(self, port: int = 0) -> asyncio.Server:
        """Begin to listen on 127.0.0.1; 0 is any free port."""
        return await asyncio.start_server(
            self._connection, "127.0.0.1", port, limit=HEAD_LIMIT_BYTES, backlog=1024
        )

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        try:
            while await self._exchange(peer):
                pass
        except (ClientGoneError, ConnectionError, asyncio.IncompleteReadError):
            pass  # the client may go whenever it likes
        finally:
            peer.close()

    async def _exchange(self, peer: Peer) -> bool:
        """Answer one request; return whether there may be another on this connection."""
        try:
            request = await peer.read_head()
        except Refused as refused:
            await peer.send(refused.reply)
            return False
        if request is None:
            return False
        reply = await self._answer(peer, request)
        if reply is not None:
            reply = self._does.reply(reply, request)
            await peer.send(reply)
            self._does.after(reply, self._state)
            if reply.code == "length_required":
                return False  # nobody knows where the next request begins
        return not request.is_last

    async def _answer(self, peer: Peer, request: Request) -> Reply | None:
        """Return the answer in one piece; ``None`` when a stream was sent instead."""
        try:
            request = replace(request, body=await peer.read_body(request))
            self._state.arrived += METHODS.get(request.path) == "POST"
            number = self._state.arrived
            wait_s = self._does.admit(request, self._state)
            if wait_s:
                await peer.until(_now_s() + wait_s)
            return await self._route(peer, request, number)
        except Refused as refused:
            return refused.reply

    async def _route(self, peer: Peer, request: Request, number: int) -> Reply | None:
        method = METHODS.get(request.path)
        if method is None:
            raise Refused(404, f"there is nothing at {request.path!r:.80}", code="not_found")
        if request.method != method:
            told = f"{request.path} takes {method}, not {request.method:.20}"
            raise Refused(405, told, code="method_not_allowed", headers={"allow": method})
        if method == "POST":
            return await self._complete(peer, request, number)
        if request.path == "/v1/models":
            return Reply(200, encoded(self._models()))
        return Reply(200, encoded({"status": "healthy"}))

    def _models(self) -> Json:
        model = {"id": self._state.settings.model, "object": "model", "created": 1}
        return {"object": "list", "data": [model | {"owned_by": "tests"}]}

    async def _complete(self, peer: Peer, request: Request, number: int) -> Reply | None:
        model = self._state.settings.model
        body = self._does.body(request.body, request.path, model)
        ask = read_ask(body, chat=request.path == CHAT, model=model)
        turn = Turn(number, self._does.ask(ask, number), self._state)
        choices = self._does.choices(generate(turn.ask), turn)
        self._state.running[number] = choices
        try:
            if turn.ask.stream:
                await self._stream(peer, turn, choices)
                return None
            return await self._whole(peer, turn, choices)
        finally:
            del self._state.running[number]

    async def _whole(self, peer: Peer, turn: Turn, choices: list[Choice]) -> Reply:
        tokens = max((choice.tokens for choice in choices), default=0)
        await peer.until(_now_s() + tokens * self._state.settings.token_s)
        shape = shape_of(turn.ask)
        usage = self._does.usage(usage_of(turn.ask, choices), turn)
        head = self._head(turn, shape.id_prefix, shape.whole_type)
        told = self._does.whole(whole(shape, choices, head=head, usage=usage), turn)
        return Reply(200, encoded(told))

    async def _stream(self, peer: Peer, turn: Turn, choices: list[Choice]) -> None:
        shape = shape_of(turn.ask)
        usage = self._does.usage(usage_of(turn.ask, choices), turn)
        head = self._head(turn, shape.id_prefix, shape.part_type)
        asked_usage = usage if turn.ask.include_usage else None
        told = self._does.chunks(chunks(shape, choices, head=head, usage=asked_usage), turn)
        pace_s = self._state.settings.token_s / max(1, len(choices))
        try:
            peer.begin_stream(self._does.stream_type)
            await _play(peer, self._does.steps(framed(told), turn), pace_s)
        except (ClientGoneError, ConnectionError):
            self._state.cancelled += 1
            self._does.gone(self._state)
            raise

    def _head(self, turn: Turn, prefix: str, kind: str) -> Json:
        head = {
            "id": f"{prefix}-{uuid.uuid4().hex}",
            "object": kind,
            "created": int(time.time()),
            "model": turn.ask.model,
        }
        return self._does.head(head, turn)


def framed(told: Iterable[Json]) -> Iterator[Step]:
    """Give every object as an event, and the end mark."""
    for chunk in told:
        yield b"data: " + encoded(chunk) + b"\n\n"
    yield DONE


async def _play(peer: Peer, steps: Iterable[Step], pace_s: float) -> None:
    """Send a stream, one event every ``pace_s`` seconds; one that is late is sent at once."""
    due_s = _now_s()
    for step in steps:
        due_s += step.seconds if isinstance(step, Pause) else pace_s
        await peer.until(due_s)
        if isinstance(step, Reset):
            peer.reset()
            return
        if isinstance(step, bytes):
            await peer.send_block(step)
    await peer.end_stream()


def _now_s() -> float:
    return asyncio.get_running_loop().time()
