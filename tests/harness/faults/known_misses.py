"""Faults that the suite does not tell as it must, yet: what is wrong, for who mends the detector.

Each is expected to fail, strictly: once the detector tells it, its line here has to go.
"""

KNOWN_MISSES: dict[str, str] = {}
"""By the name of the fault; none now."""
