"""Errors of building the image and the model."""

from __future__ import annotations

from testbed.cluster.errors import TestbedError


class ImageBuildError(TestbedError):
    """The image or the model could not be made; the message says which step, and why."""
