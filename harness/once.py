"""Make something once, and never retry: the first failure is kept and told to who asks later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from harness.errors import HarnessError, QualificationError

T = TypeVar("T")


class NotRun(Exception):
    """What was asked for depends on something that has already failed; ``cause`` says what."""

    def __init__(self, what: str, cause: QualificationError) -> None:
        named = f"{cause_id}: " if (cause_id := getattr(cause, "cause_id", "")) else ""
        super().__init__(f"{what} is not there: {named}{str(cause).splitlines()[0]}")
        self.cause = cause


class Once(Generic[T]):
    """A value made at first demand; its maker's error is raised once, and then :class:`NotRun`."""

    def __init__(self, what: str, make: Callable[[], T]) -> None:
        self._what = what
        self._make = make
        self._made: list[T] = []
        self._failure: QualificationError | None = None

    @property
    def failure(self) -> QualificationError | None:
        """The first failure, if there was one."""
        return self._failure

    @property
    def made(self) -> bool:
        """Whether the value has been made."""
        return bool(self._made)

    def holds(self, value: object) -> bool:
        """Whether ``value`` is what was made."""
        return any(made is value for made in self._made)

    def get(self) -> T:
        """Return the value, made now if need be; whatever its maker raises is kept."""
        if self._failure is not None:
            raise NotRun(self._what, self._failure)
        if not self._made:
            try:
                self._made.append(self._make())
            except Exception as error:
                self._failure = _as_named(error)
                raise
        return self._made[0]

    def fail(self, error: QualificationError) -> None:
        """Remember that the value has become useless, and why; an earlier failure stays first."""
        self._failure = self._failure or error


def _as_named(error: Exception) -> QualificationError:
    if isinstance(error, QualificationError):
        return error
    if isinstance(error, NotRun):
        return error.cause
    return HarnessError(f"{type(error).__name__}: {error}")
