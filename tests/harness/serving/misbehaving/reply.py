"""A whole answer of the server, and the exception by which a request is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

JSON_TYPE = "application/json"

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

DONE = b"data: [DONE]\n\n"
"""The last event of an honest stream."""


@dataclass(frozen=True)
class Reply:
    """An answer in one piece. ``code`` is the error's, ``""`` of an answer that is no error."""

    status: int
    body: bytes
    content_type: str = JSON_TYPE
    code: str = ""
    headers: tuple[tuple[str, str], ...] = ()


class Refused(Exception):
    """A request that gets an error instead of an answer, as ``reply`` says."""

    def __init__(
        self, status: int, message: str, *, code: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.reply = Reply(
            status,
            encoded(error(message, status=status, code=code)),
            code=code,
            headers=tuple((headers or {}).items()),
        )


def encoded(whole: Any) -> bytes:
    """Return JSON with its characters as they are; what UTF-8 cannot say becomes ``?``."""
    return _ENCODER.encode(whole).encode("utf-8", "replace")


def error(message: str, *, status: int, code: str) -> dict[str, Any]:
    """Return the body of an error, in the words of OpenAI's API."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return {"error": {"message": message, "type": kind, "code": code}}
