"""Blocks of the KV cache: taken while requests run, given back when they end."""

from __future__ import annotations

import pytest

from fixtures.serving import ChatMany
from harness.dynamo.kv_cache import KvCache
from harness.serving.judgement import Judging

PROMPT = "Tell me of the sea. " * 30


@pytest.mark.lifecycle("serve")
class KvCachePromises:
    """What holds of the KV cache of each worker, of whatever role."""

    def test_kv_blocks_return_to_their_idle_level_after_a_load(
        self, kv_cache: KvCache, chat_many: ChatMany, judge: Judging
    ) -> None:
        """Blocks that a request or a transfer held are free again after it (dynamo #4327)."""
        idle = kv_cache.idle()
        records, peak = kv_cache.peak_under(
            lambda: chat_many(PROMPT, max_tokens=64, stream=True, clients=16), above=idle
        )
        after = kv_cache.back_to(idle)

        assert not judge.stream(*records)
        # Had no level risen under load, its fall would prove nothing.
        assert sum(peak.values()) > sum(idle.values()), f"idle {idle}, under load {peak}"
        assert {name: n for name, n in after.items() if n > idle[name]} == {}, f"idle {idle}"
