"""Chat completions of a disaggregated deployment."""

import pytest

from tests.promises.kv_cache import KvCachePromises
from tests.promises.streaming import StreamingPromises


@pytest.mark.disagg
@pytest.mark.serving
@pytest.mark.topology("disagg")
class TestStreaming(StreamingPromises):
    """Claimed for the large workers."""


@pytest.mark.disagg
@pytest.mark.topology("disagg", "disagg-mixed")
class TestKvCache(KvCachePromises):
    """Claimed for workers of equal and of unlike width."""
