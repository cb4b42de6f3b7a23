"""What the tests of the serving library share: made-up good streams, and a scripted server."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from harness.exchange import Arrival, Outcome
from harness.serving import ChatRequest, Findings, Record
from harness.serving.request import CompletionRequest, Request

STREAMS = Path(__file__).parent.parent / "data" / "streams"
MODEL = "nvidia/DeepSeek-R1-FP4"
STREAM_HEADERS = (("content-type", "text/event-stream"),)
JSON_HEADERS = (("content-type", "application/json"),)

Chunk = dict[str, Any]
Script = Callable[[socket.socket], None]


def asked(**options: Any) -> ChatRequest:
    """Return a streamed request with usage, unless ``options`` say otherwise."""
    return ChatRequest.ask(MODEL, "Tell me a story", **options).streamed(usage=True)


def promises(findings: Findings) -> list[str]:
    """Return the names of the promises that were found broken."""
    return [finding.promise for finding in findings]


def plain_asked(**options: Any) -> CompletionRequest:
    """Return a streamed request for a plain completion, with usage."""
    return CompletionRequest(MODEL, prompt="Once", **options).streamed(usage=True)


def plain_content(text: str, reason: str | None = None, **members: Any) -> Chunk:
    choice = {"index": 0, "text": text, "finish_reason": reason, **members}
    return head() | {"object": "text_completion", "choices": [choice]}


def plain_chunks(pieces: Sequence[str]) -> list[Chunk]:
    """Return the chunks of a good plain stream, one token a piece, that ran into its limit."""
    counts = counted(len(pieces)) | {"object": "text_completion"}
    return [*map(plain_content, pieces), plain_content("", "length"), counts]


def timed(chunks: Sequence[Chunk], times_s: Sequence[float], request: Request) -> Record:
    """Return a complete stream whose events came at ``times_s``; the last one is its end mark."""
    events = [framed([chunk]).partition(b"data: [DONE]")[0] for chunk in chunks]
    pieces = [*events, b"data: [DONE]\n\n"]
    arrivals = tuple(Arrival(at_s, data) for at_s, data in zip(times_s, pieces, strict=True))
    return replace(record_of(b"", request), arrivals=arrivals, elapsed_s=times_s[-1])


def head() -> Chunk:
    return {"id": "chatcmpl-1", "created": 1, "model": MODEL, "object": "chat.completion.chunk"}


def content(text: str) -> Chunk:
    delta = {"role": "assistant", "content": text}
    return head() | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}


def end(reason: str = "length") -> Chunk:
    delta = {"role": "assistant"}
    return head() | {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


def counted(completion: int, prompt: int = 5) -> Chunk:
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    return head() | {"choices": [], "usage": usage}


def good_chunks(pieces: Sequence[str]) -> list[Chunk]:
    """Return the chunks of a good stream, one token a piece, that ran into its limit."""
    return [*(content(piece) for piece in pieces), end(), counted(len(pieces))]


def framed(chunks: Sequence[Chunk]) -> bytes:
    """Return chunks as the bytes of a stream, with its end mark."""
    said = [json.dumps(chunk, ensure_ascii=False) for chunk in chunks]
    return b"".join(f"data: {data}\n\n".encode() for data in [*said, "[DONE]"])


def record_of(
    body: bytes,
    request: Request,
    *,
    cuts: Sequence[int] = (),
    outcome: Outcome = Outcome.COMPLETE,
    headers: tuple[tuple[str, str], ...] = STREAM_HEADERS,
    status: int | None = 200,
) -> Record:
    """Return a record whose body came in pieces, cut at ``cuts``, a millisecond apart."""
    marks = [0, *sorted(cuts), len(body)]
    pieces = [body[a:b] for a, b in pairwise(marks)]
    return Record(
        request=request,
        request_id="id",
        url="http://node1:8000/v1/chat/completions",
        outcome=outcome,
        error="",
        started_at_s=1.0,
        elapsed_s=2.0,
        status=status,
        headers=headers,
        arrivals=tuple(Arrival(number / 1000, piece) for number, piece in enumerate(pieces, 1)),
    )


def unary_of(text: str, tokens: int, request: ChatRequest, **changes: Any) -> Record:
    """Return the record of a good answer in one piece; ``changes`` replace its members."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "length"}
    answer = counted(tokens) | {"object": "chat.completion", "choices": [choice]} | changes
    return record_of(json.dumps(answer).encode(), request.unary(), headers=JSON_HEADERS)


@contextmanager
def serving(script: Script) -> Iterator[str]:
    """Serve every connection with ``script`` and yield the server's URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(listener, script), daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def answer(body: bytes, *, status: str = "200 OK", kind: str = "application/json") -> bytes:
    """Return a whole HTTP answer."""
    return (
        f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n".encode()
        + body
    )


def says(*parts: bytes) -> Script:
    """Return a script that reads a request, sends ``parts`` and hangs up."""

    def script(peer: socket.socket) -> None:
        read_request(peer)
        for part in parts:
            peer.sendall(part)

    return script


def read_request(peer: socket.socket) -> bytes:
    """Read one request with its body, and return it."""
    seen = b""
    while b"\r\n\r\n" not in seen:
        seen += peer.recv(65536)
    top, _, body = seen.partition(b"\r\n\r\n")
    sizes = [
        line.partition(b":")[2] for line in top.lower().splitlines() if b"content-length" in line
    ]
    while sizes and len(body) < int(sizes[0]):
        body += peer.recv(65536)
    return top + b"\r\n\r\n" + body


def _accept(listener: socket.socket, script: Script) -> None:
    while True:
        try:
            peer, _ = listener.accept()
        except OSError:
            return  # the test is over
        threading.Thread(target=_serve, args=(peer, script), daemon=True).start()


def _serve(peer: socket.socket, script: Script) -> None:
    with peer:
        try:
            script(peer)
        except OSError:
            return  # the client hung up, as some tests make it
