"""Small pieces of Markdown, with every text from outside made harmless."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from harness.qualification.words import LINE, shortened

_MEANT = str.maketrans({"|": "\\|", "<": "&lt;", ">": "&gt;", "`": "'", "\n": " ", "\r": " "})


def cell(text: object, *, most: int = LINE) -> str:
    """Return a text as one cell of a table, cut after ``most`` characters."""
    return shortened(str(text), most).translate(_MEANT)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Yield the lines of a table."""
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(map(cell, row))} |"


def section(title: str, lines: Iterable[str]) -> Iterator[str]:
    """Yield a section with its title, or nothing where it has no line."""
    body = list(lines)
    if body:
        yield from ("", f"### {title}", "", *body)


def folded(title: str, lines: Iterable[str]) -> Iterator[str]:
    """Yield lines that a reader has to unfold, or nothing where there is none."""
    body = list(lines)
    if body:
        yield from ("", f"<details><summary>{cell(title)}</summary>", "", *body, "", "</details>")
