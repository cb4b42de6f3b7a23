"""Secrets are taken out of all that a run writes: by name, by shape, and by value.

By **name**: what ``HF_TOKEN``, ``*_KEY``, ``*_SECRET``, ``*PASSWORD*`` and their like are set to,
in a mapping, a command line, a header or a line of text. By **shape**: ``Bearer ...``,
``user:password@`` in an address, keys with a known prefix. By **value**: what the environment or a
site file gives as a secret is replaced wherever it occurs, also where nothing around it says so.
"""

from __future__ import annotations

import base64
import html
import io
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, quote_plus

REDACTED = "[redacted]"

SHORTEST = 6
"""Characters of the shortest value that is looked for: a shorter one is part of other words."""

_WORDS = "token|key|secret|password|passwd|passphrase|credentials?"
_NAME = (
    rf"(?:[A-Za-z0-9_.-]*[_-](?:{_WORDS})|[A-Za-z0-9_.-]*(?:password|passwd|passphrase)[A-Za-z0-9_-]*"
    r"|[A-Za-z0-9_.-]*secret|[A-Za-z0-9_]*apikey|[A-Za-z0-9-]*authorization|(?:set-)?cookie)"
)
_IS_SECRET = re.compile(rf"{_NAME}\Z", re.IGNORECASE)
_OPTION = re.compile(rf"--(?:[\w-]*-)?(?:{_WORDS}|apikey)\Z", re.IGNORECASE)
_USER_INFO = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/:@\"']*:([^\s/@\"']+)@", re.IGNORECASE)
_OPENED = r"""\\*["']"""  # a quote, as it is or in JSON within JSON
_NO_TAG = "(?!</)"  # a value in XML ends where its element does
_SHAPES: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(
            rf"(authorization(?:{_OPENED})?\s*[:=,]\s*(?:{_OPENED})?(?:[a-z]+ +)?)"
            rf"""(?:{_NO_TAG}[^\s"',;\\])+""",
            re.IGNORECASE,
        ),
        rf"\g<1>{REDACTED}",
    ),
    (re.compile(r"\b(bearer +)[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE), rf"\g<1>{REDACTED}"),
    (
        re.compile(r"([a-z][a-z0-9+.-]{1,20}://[^\s/:@\"']*:)[^\s/@\"']+@", re.IGNORECASE),
        rf"\g<1>{REDACTED}@",
    ),
    (re.compile(r"(://)[A-Za-z0-9_-]{16,}@"), rf"\g<1>{REDACTED}@"),
    (
        re.compile(
            r"([?&](?:[a-z_-]*[_-])?(?:token|key|sig|signature|secret|password|apikey)=)"
            r"""[^&\s"'<>]+""",
            re.IGNORECASE,
        ),
        rf"\g<1>{REDACTED}",
    ),
    (
        re.compile(
            r"\b(?:hf_[A-Za-z0-9]{20,}|nvapi-[\w-]{20,}|sk-[\w-]{20,}|gh[pousr]_[A-Za-z0-9]{20,}"
            r"|github_pat_\w{20,}|glpat-[\w-]{20,}|AKIA[0-9A-Z]{16}"
            r"|eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]+)"
        ),
        REDACTED,
    ),
)
_NAMED = re.compile(
    rf"(?<![A-Za-z0-9_.-])({_NAME}(?:{_OPENED})?\s*[=:]\s*)"
    rf"""(?:(\\*["'])(?:(?!\2).)+\2|(?:{_NO_TAG}[^\s"'\\,;&(){{}}\[\]])+)""",
    re.IGNORECASE,
)
_AFTER_OPTION = re.compile(
    rf"(?<!\S)(--(?:[\w-]*-)?(?:{_WORDS}|apikey)\s+)(?!-)[^\s\[](?:(?!</|\"[\s/>])\S)*",
    re.IGNORECASE,
)
_TELLING = (
    "token", "key", "secret", "passw", "passphrase", "credential", "authorization", "cookie",
    "bearer", "://", "sig=", "signature=", "hf_", "nvapi-", "sk-", "ghp_", "gho_", "ghu_", "ghs_",
    "ghr_", "github_", "glpat-", "akia", "eyj",
)  # fmt: skip
"""One of them is in every text that a name or a shape gives away: looked for first, as cheap."""


def is_secret_name(name: str) -> bool:
    """Whether a variable, header or member of that name holds a secret.

    ``max_tokens`` holds none, and neither does a bare ``token`` or ``key``: tokens of a model and
    keys of a mapping are called so.
    """
    return _IS_SECRET.match(name) is not None


class Redactor:
    """Takes secrets out; :meth:`learn` tells it further values."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._values: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self.learn(environ or {})

    def learn(self, variables: Mapping[str, str]) -> None:
        """Take over the values of secret variables, and the passwords of addresses in any."""
        found = [value for name, value in variables.items() if is_secret_name(name)]
        found += [hit for value in variables.values() for hit in _USER_INFO.findall(value)]
        self.learn_values(found)

    def learn_values(self, values: Iterable[str]) -> None:
        """Take over secrets as such. Too short ones, and paths of files, are not looked for."""
        for value in values:
            stripped = value.strip()
            if len(stripped) >= SHORTEST and not _is_path(stripped):
                self._values |= _spellings(stripped)
        longest_first = sorted(self._values, key=lambda value: (-len(value), value))
        if longest_first:
            self._pattern = re.compile("|".join(map(_as_pattern, longest_first)))

    def text(self, text: str) -> str:
        """Return a text without secrets; it may be of any form, JSON and XML too."""
        kept = self.known(text)
        lowered = kept.lower()
        if not any(word in lowered for word in _TELLING):
            return kept
        for pattern, instead in _SHAPES:
            kept = pattern.sub(instead, kept)
        kept = _AFTER_OPTION.sub(rf"\g<1>{REDACTED}", kept)
        return _NAMED.sub(_keep_name, kept)

    def known(self, text: str) -> str:
        """Return a text without the secrets that are known by value."""
        return self._pattern.sub(REDACTED, text) if self._pattern else text

    def json(self, value: Any) -> Any:
        """Return a JSON value without secrets: those of its members, headers, words and texts."""
        if isinstance(value, Mapping):
            return {self._plain(name): self._member(name, each) for name, each in value.items()}
        if isinstance(value, list | tuple):
            return self._list(value)
        return self.text(str(value)) if isinstance(value, str) else value

    def data(self, chunks: list[bytes]) -> list[bytes]:
        """Return pieces of an answer with stars for known secrets, also where one is cut in two.

        Every piece keeps its length: what is said of the answer's length stays true.
        """
        if self._pattern is None:
            return chunks
        whole = b"".join(chunks)
        kept = self._pattern.sub(_stars, whole.decode("utf-8", "surrogateescape"))
        if kept == whole.decode("utf-8", "surrogateescape"):
            return chunks
        rest = io.BytesIO(kept.encode("utf-8", "surrogateescape"))
        return [rest.read(len(chunk)) for chunk in chunks]

    def _plain(self, name: Any) -> Any:
        return self.known(name) if isinstance(name, str) else name

    def _member(self, name: object, value: Any) -> Any:
        if isinstance(value, str) and value and is_secret_name(str(name)):
            return REDACTED
        return self.json(value)

    def _list(self, values: list[Any] | tuple[Any, ...]) -> list[Any]:
        """Return the elements; what follows the name of a header or an option is its value."""
        kept, before = [], None
        is_pair = len(values) == 2
        for each in values:
            hides = isinstance(before, str) and isinstance(each, str) and each != ""
            named = hides and (
                _OPTION.match(str(before)) or (is_pair and is_secret_name(str(before)))
            )
            kept.append(REDACTED if named else self.json(each))
            before = each
        return kept


def _keep_name(found: re.Match[str]) -> str:
    quote_mark = found[2] or ""
    return f"{found[1]}{quote_mark}{REDACTED}{quote_mark}"


class FileBusy(Exception):
    """Somebody wrote the file while it was read: it was left as it is."""


def redact_file(path: Path, redactor: Redactor, *, even_busy: bool = False) -> bool:
    """Take the secrets out of a file that somebody else has written; tell whether it had any.

    Line by line, for a log may be large. The file is replaced, whole or not at all: who still has
    it open writes into nothing from then on. Raises :class:`FileBusy` when it was written
    meanwhile, unless it is to be replaced ``even_busy``.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    changed, before = False, _state_of(path)
    with _as_text(path, "r") as old, _as_text(draft, "w") as new:
        for line in old:
            kept = redactor.text(line)
            changed = changed or kept != line
            new.write(kept)
    if changed and (even_busy or _state_of(path) == before):
        draft.replace(path)
        return True
    draft.unlink()
    if changed:
        raise FileBusy(path)
    return False


def _state_of(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def _as_text(path: Path, mode: str) -> IO[str]:
    """Open a file whose bytes all come back as they were, its line ends too."""
    return path.open(mode, encoding="utf-8", errors="surrogateescape", newline="")


def _stars(found: re.Match[str]) -> str:
    return "*" * len(found[0].encode("utf-8", "surrogateescape"))


def _is_path(value: str) -> bool:
    return value.startswith("/") and Path(value).exists()


def _as_pattern(value: str) -> str:
    """Return the pattern of a value; digits alone are not meant within a longer number.

    Else a line of JSON with such a number, a time of day, would be none any more.
    """
    return rf"(?<![\d.]){value}(?![\d.])" if value.isdecimal() else re.escape(value)


def _spellings(value: str) -> set[str]:
    """Return a value as it may stand in JSON, XML, addresses, Python's own words, and base64."""
    return {
        value,
        json.dumps(value)[1:-1],
        html.escape(value),
        html.escape(value, quote=False),
        quote(value, safe=""),
        quote_plus(value),
        repr(value)[1:-1],
        base64.b64encode(value.encode()).decode(),
    }
