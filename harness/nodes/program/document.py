"""What the parts of the probe are made of: pieces of one document, and how a file is read."""
# pathlib takes as long to import as all the rest together.
# ruff: noqa: PTH123

from typing import Any, Callable, Dict

Document = Dict[str, Any]
Emit = Callable[[Document], None]


def read_bytes(path: str) -> bytes:
    """Return a file's content."""
    with open(path, "rb") as file:
        return file.read()


def unreadable(what: str, *details: str) -> Document:
    """Return the part of a document that says what could not be read, and why."""
    return {"errors": [{"what": what, "detail": detail} for detail in details]}
