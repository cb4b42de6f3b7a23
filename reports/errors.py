"""The one error of the renderer."""

from __future__ import annotations


class ReportError(Exception):
    """A report could not be made; ``str()`` says what was expected and seen, ``hint`` a way out."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
