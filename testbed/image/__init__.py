"""What runs in the testbed's containers: Dynamo, an emulated engine, a model's files.

Entry points: :func:`ensure_image` and :func:`ensure_model`. Standard library only.
"""

from __future__ import annotations

from testbed.image.build import ensure_image
from testbed.image.errors import ImageBuildError
from testbed.image.model import ensure_model

__all__ = ["ImageBuildError", "ensure_image", "ensure_model"]
