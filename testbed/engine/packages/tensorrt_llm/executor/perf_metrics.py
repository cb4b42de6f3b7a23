"""When what happened to a request, under TensorRT-LLM's names; all of it measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

_NEVER = timedelta(0)


@dataclass
class TimingMetrics:
    """Moments on this process's steady clock; zero for what has not happened."""

    arrival_time: timedelta = _NEVER
    first_scheduled_time: timedelta = _NEVER
    first_token_time: timedelta = _NEVER
    last_token_time: timedelta = _NEVER
    kv_cache_transfer_start: timedelta = _NEVER
    kv_cache_transfer_end: timedelta = _NEVER
    kv_cache_size: int = 0
    """Bytes that came over the network."""

    def transferred(self, now_s: float, *, seconds: float, size_bytes: int) -> None:
        """Note a transfer that has just ended, and took so long."""
        self.kv_cache_transfer_start = timedelta(seconds=now_s - seconds)
        self.kv_cache_transfer_end = timedelta(seconds=now_s)
        self.kv_cache_size = size_bytes

    def token(self, now_s: float) -> None:
        """Note a token."""
        self.last_token_time = timedelta(seconds=now_s)
        if self.first_token_time == _NEVER:
            self.first_token_time = self.last_token_time


@dataclass
class KvCacheMetrics:
    """Blocks of one request; none is ever reused."""

    num_total_allocated_blocks: int = 0
    num_new_allocated_blocks: int = 0
    num_reused_blocks: int = 0
    num_missed_blocks: int = 0
    kv_cache_hit_rate: float = 0.0


@dataclass
class RequestPerfMetrics:
    """What ``return_perf_metrics`` asks for."""

    timing_metrics: TimingMetrics = field(default_factory=TimingMetrics)
    kv_cache_metrics: KvCacheMetrics = field(default_factory=KvCacheMetrics)

    def scheduled(self, now_s: float, blocks: int) -> None:
        """Note that the request has got its place and so many blocks."""
        self.timing_metrics.first_scheduled_time = timedelta(seconds=now_s)
        self.kv_cache_metrics.num_total_allocated_blocks = blocks
        self.kv_cache_metrics.num_new_allocated_blocks = blocks
