"""Errors that reach the caller of one request."""

from __future__ import annotations


class RequestError(RuntimeError):
    """This request cannot be served; others can."""


class EngineDeadError(RuntimeError):
    """The engine is gone; nothing can be served any more."""
