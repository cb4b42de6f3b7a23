"""Chat completions of an aggregated deployment."""

import pytest

from tests.promises.kv_cache import KvCachePromises
from tests.promises.streaming import StreamingPromises


@pytest.mark.agg
@pytest.mark.serving
@pytest.mark.topology("agg")
class TestStreaming(StreamingPromises):
    """Claimed for the large worker."""


@pytest.mark.agg
@pytest.mark.topology("agg")
class TestKvCache(KvCachePromises):
    """Claimed for the large worker."""
