"""Reasons of a skip with which a release may do: what a release does not have is not promised."""

from __future__ import annotations

import re

ACCEPTED = (
    (r"\S+ is not declared \(DYNAMO_RELEASE, --declared-features\)", "the release lacks it"),
    (r"this release names no workers in its answers", "the release lacks it"),
    (
        r"an answer that fills a context of \d+ tokens takes too long here",
        "prompt and answer are held to their limits one by one",
    ),
)
"""Words of a reason, and why the gate takes them. Any other skip needs a known issue, or a run in
which the test is asked: a program that is not installed, a port that is off, a limit not given."""


def accepted(reason: str) -> bool:
    """Whether a release may do without a test that was skipped for this reason."""
    return any(re.fullmatch(words, reason.strip()) for words, _ in ACCEPTED)
