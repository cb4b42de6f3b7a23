"""Counts finished requests for Prometheus, under TensorRT-LLM's names."""

from __future__ import annotations

import importlib
from typing import Any


class MetricsCollector:
    """Registers ``trtllm_request_success_total``.

    What the emulation cannot measure is not made up.
    """

    def __init__(self, labels: dict[str, str]) -> None:
        counter: Any = importlib.import_module("prometheus_client").Counter
        self._labels = labels
        names = [*labels, "finished_reason"]
        self._finished = counter(
            "trtllm_request_success", "Count of successfully processed requests.", names
        )

    def log_request_metrics_dict(self, metrics_dict: dict[str, Any]) -> None:
        """Count one request."""
        self._finished.labels(
            **self._labels, finished_reason=metrics_dict.get("finished_reason", "stop")
        ).inc()

    def log_iteration_stats(self, stats: dict[str, Any]) -> None:
        """Take the statistics of an iteration; nothing is made of them."""
