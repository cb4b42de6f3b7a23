"""One engine config as the rest of the harness reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.engine_config.document import Document, read_document
from harness.engine_config.keys import ENGINE


@dataclass(frozen=True)
class EngineConfig:
    """What a TensorRT-LLM YAML says, with TensorRT-LLM's defaults where it is silent.

    A key that is misspelt or has the wrong type counts as absent here; it is reported by
    :func:`~harness.engine_config.check_engine_config`, with whatever else is wrong.
    """

    document: Document
    tp_size: int
    pp_size: int
    cp_size: int
    moe_ep_size: int
    """Ranks the experts are spread over; 1 when the file has no size for experts."""
    moe_tp_size: int
    """Ranks each expert is split over; what is left of ``tp_size`` when not given."""
    moe_cluster_size: int
    attention_dp: bool
    moe_backend: str
    load_balancer: str | Mapping[str, Any] | None
    """Path inside the container, or the balancer's own keys written in place."""
    kv_cache_dtype: str
    max_batch_size: int
    max_num_tokens: int
    max_seq_len: int | None
    """Tokens of prompt and answer; ``None`` leaves it to the model."""
    chunked_prefill: bool

    @property
    def path(self) -> Path:
        """The file on this node."""
        return self.document.path

    @property
    def sha256(self) -> str:
        """Hash of the file's bytes, in hex."""
        return self.document.sha256

    @property
    def raw(self) -> Mapping[str, Any]:
        """The file as YAML gives it."""
        return self.document.raw

    @property
    def world_size(self) -> int:
        """Ranks of the worker: tp x pp x cp. Experts and attention DP do not multiply it."""
        return self.tp_size * self.pp_size * self.cp_size

    @property
    def load_balancer_path(self) -> str | None:
        """Path inside the container of the balancer's file, when it has one."""
        return self.load_balancer if isinstance(self.load_balancer, str) else None

    @property
    def max_prompt_tokens(self) -> int | None:
        """Longest prompt that leaves room for one token; ``None``: only the model limits it."""
        limits = [] if self.max_seq_len is None else [self.max_seq_len - 1]
        if not self.chunked_prefill:
            limits.append(self.max_num_tokens)
        return min(limits, default=None)


def load_engine_config(path: Path) -> EngineConfig:
    """Read an engine config.

    Raises :class:`~harness.errors.EngineConfigError` naming file and line when the file is missing,
    unreadable, not YAML, empty or no mapping.
    """
    document = read_document(path, ENGINE)
    get = document.values.get
    tp_size = int(get("tensor_parallel_size", 1))
    cluster, moe_tp, moe_ep = _moe_sizes(
        tp_size,
        cluster=get("moe_cluster_parallel_size"),
        tp=get("moe_tensor_parallel_size"),
        ep=get("moe_expert_parallel_size"),
    )
    return EngineConfig(
        document=document,
        tp_size=tp_size,
        pp_size=int(get("pipeline_parallel_size", 1)),
        cp_size=int(get("context_parallel_size", 1)),
        moe_ep_size=moe_ep,
        moe_tp_size=moe_tp,
        moe_cluster_size=cluster,
        attention_dp=bool(get("enable_attention_dp", False)),
        moe_backend=str(get("moe_config.backend", "AUTO")),
        load_balancer=get("moe_config.load_balancer"),
        kv_cache_dtype=str(get("kv_cache_config.dtype", "auto")),
        max_batch_size=int(get("max_batch_size") or 2048),
        max_num_tokens=int(get("max_num_tokens") or 8192),
        max_seq_len=get("max_seq_len"),
        chunked_prefill=bool(get("enable_chunked_prefill", False)),
    )


def _moe_sizes(
    tp_size: int, *, cluster: int | None, tp: int | None, ep: int | None
) -> tuple[int, int, int]:
    """Return cluster, tp and ep size of the experts; what is absent or -1 follows from ``tp_size``.

    Source: ``Mapping`` in TensorRT-LLM's mapping.py. A size below 1 stays, for the check to report.
    """
    clusters = 1 if cluster in (None, -1) else int(cluster or 0)
    given_tp = None if tp == -1 else tp
    given_ep = None if ep == -1 else ep
    if given_ep is None:
        given_ep = 1 if given_tp is None else tp_size // max(1, given_tp * clusters)
    if given_tp is None:
        given_tp = tp_size // max(1, given_ep * clusters)
    return clusters, given_tp, given_ep
