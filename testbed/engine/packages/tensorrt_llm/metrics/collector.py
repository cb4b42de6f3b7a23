"""Counts finished requests and watches the KV cache for Prometheus, under TensorRT-LLM's names."""

from __future__ import annotations

import importlib
from typing import Any


class MetricsCollector:
    """Registers ``trtllm_request_success_total`` and ``trtllm_kv_cache_utilization``.

    What the emulation cannot measure is not made up.
    """

    def __init__(self, labels: dict[str, str]) -> None:
        prometheus: Any = importlib.import_module("prometheus_client")
        self._labels = labels
        self._finished = prometheus.Counter(
            "trtllm_request_success",
            "Count of successfully processed requests.",
            [*labels, "finished_reason"],
        )
        self._utilization = prometheus.Gauge(
            "trtllm_kv_cache_utilization", "KV cache utilization.", list(labels)
        )
        self._blocks: dict[int, tuple[int, int]] = {}

    def log_request_metrics_dict(self, metrics_dict: dict[str, Any]) -> None:
        """Count one request."""
        self._finished.labels(
            **self._labels, finished_reason=metrics_dict.get("finished_reason", "stop")
        ).inc()

    def log_iteration_stats(self, stats: dict[str, Any]) -> None:
        """Take one row of an iteration's statistics: the share of blocks in use, of all ranks."""
        cache = stats["kvCacheStats"]
        rank = stats.get("attentionDpRank", 0)
        self._blocks[rank] = (cache["usedNumBlocks"], cache["maxNumBlocks"])
        used, total = map(sum, zip(*self._blocks.values(), strict=True))
        self._utilization.labels(**self._labels).set(used / total if total else 0.0)
