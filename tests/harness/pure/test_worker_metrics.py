"""What workers tell of themselves: requests of their endpoint, blocks of their KV cache."""

from __future__ import annotations

import pytest

from harness.dynamo.metrics import WorkerMetrics
from harness.exchange import EndpointUnreachable
from harness.http import Http
from tests.harness.pure import serving_kit as kit

TEXT = b"""\
# HELP dynamo_component_requests_total Total number of requests processed
# TYPE dynamo_component_requests_total counter
dynamo_component_requests_total{dynamo_component="prefill",dynamo_endpoint="generate"} 12
dynamo_component_requests_total{dynamo_component="prefill",dynamo_endpoint="worker_kv_query_a"} 5
# TYPE dynamo_component_total_blocks gauge
dynamo_component_total_blocks{dp_rank="0",dynamo_component="prefill"} 76358.0
dynamo_component_total_blocks{dp_rank="1",dynamo_component="prefill"} 100.0
# TYPE dynamo_component_gpu_cache_usage_percent gauge
dynamo_component_gpu_cache_usage_percent{dp_rank="0",dynamo_component="prefill"} 0.00013096204
dynamo_component_gpu_cache_usage_percent{dp_rank="1",dynamo_component="prefill"} 0.5
"""


def test_requests_are_those_of_the_generate_endpoint() -> None:
    with kit.serving(kit.says(kit.answer(TEXT, kind="text/plain"))) as url:
        assert WorkerMetrics(Http(url)).requests() == 12


def test_blocks_in_use_are_summed_over_the_ranks() -> None:
    with kit.serving(kit.says(kit.answer(TEXT, kind="text/plain"))) as url:
        assert WorkerMetrics(Http(url)).used_blocks() == 10 + 50


def test_a_worker_that_tells_nothing_uses_nothing() -> None:
    with kit.serving(kit.says(kit.answer(b"", kind="text/plain"))) as url:
        assert WorkerMetrics(Http(url)).used_blocks() == 0


def test_a_worker_that_is_gone_is_named() -> None:
    with kit.serving(kit.says(kit.answer(b""))) as url:
        pass

    with pytest.raises(EndpointUnreachable, match=url):
        WorkerMetrics(Http(url)).requests()
