"""Errors of the testbed.

TestbedError
├── NeedsMissing      something of the machine is missing (root, a package, a kernel feature)
├── NotUp             the testbed is not running
└── StartFailed       the testbed did not come up; everything it had started was undone
"""

from __future__ import annotations


class TestbedError(Exception):
    """Base of all errors a person is to read; its text is the whole message."""

    __test__ = False


class NeedsMissing(TestbedError):
    """The machine lacks something; the message names all that is missing, and the way to get it."""


class NotUp(TestbedError):
    """A running testbed was needed and there is none."""


class StartFailed(TestbedError):
    """`up` failed and undid itself; the message carries the tail of the log that tells why."""
