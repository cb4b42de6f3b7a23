"""Engine configs (TensorRT-LLM YAML files), read and checked offline, before any node is used.

TensorRT-LLM makes the same checks only while it loads: the nodes are taken, and minutes are gone.
"""

from __future__ import annotations

from harness.engine_config.balancer import DEEPSEEK_R1, MoeModel, shares_experts
from harness.engine_config.check import check_engine_config, engine_config_remarks
from harness.engine_config.config import EngineConfig, load_engine_config
from harness.engine_config.pair import check_prefill_decode_pair, longest_prompt
from harness.engine_config.problem import Problem

__all__ = [
    "DEEPSEEK_R1",
    "EngineConfig",
    "MoeModel",
    "Problem",
    "check_engine_config",
    "check_prefill_decode_pair",
    "engine_config_remarks",
    "load_engine_config",
    "longest_prompt",
    "shares_experts",
]
