"""What a worker tells of itself on DYN_SYSTEM_PORT, in Prometheus's text format."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from harness.http import Http

CALL_S = 5.0
_REQUESTS = "dynamo_component_requests_total"
_BLOCKS = "dynamo_component_total_blocks"
_USAGE = "dynamo_component_gpu_cache_usage_percent"
"""A share from 0 to 1, whatever its name says; one sample for each rank of attention DP."""


class WorkerMetrics:
    """The metrics of one worker, read from its leader."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def requests(self) -> int:
        """Return how many requests the worker's ``generate`` endpoint has taken."""
        taken = (s for s in self._samples() if s.name == _REQUESTS)
        return int(sum(s.value for s in taken if s.labels.get("dynamo_endpoint") == "generate"))

    def used_blocks(self) -> int:
        """Return how many blocks of the KV cache are in use, over all ranks."""
        return used_blocks(list(self._samples()))

    def _samples(self) -> Iterator[Sample]:
        text = self._http.get("/metrics", timeout_s=CALL_S).body.decode("utf-8", "replace")
        for family in text_string_to_metric_families(text):
            yield from family.samples


def used_blocks(samples: list[Sample]) -> int:
    """Return the blocks in use: for each rank its share in use times its blocks."""
    blocks = {s.labels.get("dp_rank"): s.value for s in samples if s.name == _BLOCKS}
    usage = {s.labels.get("dp_rank"): s.value for s in samples if s.name == _USAGE}
    return sum(round(share * blocks.get(rank, 0.0)) for rank, share in usage.items())
