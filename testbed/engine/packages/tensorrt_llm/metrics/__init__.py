"""The engine's own Prometheus metrics."""

from __future__ import annotations

from .collector import MetricsCollector

__all__ = ["MetricsCollector"]
