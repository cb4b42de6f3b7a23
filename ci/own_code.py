"""The exit code of a program of ours that fails by itself, which must not look like a verdict."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable

from harness.errors import VerdictClass
from harness.verdict import EXIT_CODES


def with_own_code(main: Callable[[list[str]], int], argv: list[str]) -> int:
    """Return what ``main`` returns; HARNESS (15) when it raises: Python's own 1 is FAIL here.

    A file or folder that cannot be used is what was asked for: CONFIG (12), and no traceback.
    """
    try:
        return main(argv)
    except OSError as unusable:
        print(f"{unusable.filename or main.__module__}: {unusable.strerror}", file=sys.stderr)
        return EXIT_CODES[VerdictClass.CONFIG]
    except Exception:  # noqa: BLE001 - whatever it is, it is no verdict about the product
        traceback.print_exc()
        return EXIT_CODES[VerdictClass.HARNESS]
