"""A small OpenAI-compatible server that is honest, or misbehaves in exactly one way it is told.

It needs the standard library alone. ``python -m tests.harness.serving.misbehaving --help`` lists
the misbehaviours; :func:`misbehaving` runs it for a test.
"""

from tests.harness.serving.misbehaving.hooks import DEFAULT_MODEL, Misbehaviour, Settings
from tests.harness.serving.misbehaving.misbehaviours import MISBEHAVIOURS
from tests.harness.serving.misbehaving.running import misbehaving

__all__ = ["DEFAULT_MODEL", "MISBEHAVIOURS", "Misbehaviour", "Settings", "misbehaving"]
