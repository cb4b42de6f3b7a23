"""Video as an input: a name for type annotations of callers."""

from __future__ import annotations


class VideoData:
    """Frames of a video; nothing here makes one."""
