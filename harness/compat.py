"""What Python 3.10 on a head node lacks: ``enum.StrEnum`` (new in 3.11)."""

from __future__ import annotations

import sys

if sys.version_info >= (3, 11):
    from enum import StrEnum
else:
    from enum import Enum

    class StrEnum(str, Enum):
        """A string that is also a member of a closed set; ``str(member)`` is its value."""

        def __str__(self) -> str:
            return str(self.value)


__all__ = ["StrEnum"]
