"""Dynamo's OpenAI frontend: what it lists and what it says of its health."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.http import Http

CALL_S = 5.0


class Frontend:
    """The frontend's read-only surface. Requests for tokens are in :mod:`harness.serving`."""

    def __init__(self, http: Http) -> None:
        self.http = http

    def models(self) -> tuple[str, ...]:
        """Return the names in ``/v1/models``, in the order listed."""
        body = self.http.get_json("/v1/models", timeout_s=CALL_S)
        return tuple(str(model["id"]) for model in body.get("data", []))

    def health(self) -> Mapping[str, Any]:
        """Return ``/health``'s body: status, endpoints, instances.

        200 alone says nothing: it is also given with no worker at all.
        """
        body: Mapping[str, Any] = self.http.get_json("/health", timeout_s=CALL_S)
        return body
