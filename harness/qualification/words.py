"""How texts of others are made short enough for one line."""

from __future__ import annotations

LINE = 300
"""The most characters of a reason in a line; the files have it whole."""


def shortened(text: str, most: int = LINE) -> str:
    """Return a text, cut to ``most`` characters; an ellipsis is the last where it was cut."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
