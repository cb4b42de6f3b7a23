"""What every request has."""

from __future__ import annotations

DEFAULT_REQUEST_PRIORITY = 0.5
