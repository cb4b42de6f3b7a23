"""Pure: what a rank refuses when it builds the model, in TensorRT-LLM's words."""

from __future__ import annotations

from typing import Any

Plan = dict[str, Any]
"""What the leader's process tells every rank about the model and how it is divided."""


def check_mapping(plan: Plan) -> None:
    """Raise ValueError unless the parallel sizes fit each other (``Mapping`` of TensorRT-LLM)."""
    tp, moe_tp, moe_ep, cluster = plan["tp"], plan["moe_tp"], plan["moe_ep"], plan["moe_cluster"]
    if moe_tp * moe_ep * cluster != tp:
        raise ValueError(
            "tp_size must equal to moe_tp_size * moe_ep_size * moe_cluster_size, "
            f"but got {tp} != {moe_tp} * {moe_ep} * {cluster}"
        )
    if moe_ep != 1 and plan["cp"] > 1:
        raise NotImplementedError("CP don't support MoE tp/ep yet")


def check_moe(plan: Plan) -> None:
    """Raise AssertionError or ValueError when the experts cannot be divided as asked."""
    if not plan["experts"]:
        return
    if plan["moe_backend"] == "WIDEEP":
        _check_wide_ep(plan)
    if plan["balancer"]:
        _check_slots(plan["num_slots"], plan["experts"], plan["moe_ep"])
    elif plan["experts"] % plan["moe_ep"]:
        raise AssertionError(
            f"num_experts ({plan['experts']}) must be divisible by ep_size ({plan['moe_ep']})"
        )


def _check_wide_ep(plan: Plan) -> None:
    if not plan["attention_dp"]:
        raise AssertionError("Attention DP should be used with WideEP.")
    if plan["tp"] <= 1:
        raise AssertionError("WideEP should only be enabled with parallel_size > 1")


def _check_slots(slots: int | None, experts: int, ep: int) -> None:
    if slots is None:
        raise ValueError("`num_slots` cannot be None when calling setup().")
    if slots % ep:
        raise ValueError(f"`num_slots` ({slots}) must be divisible by `ep_size` ({ep}).")
    if slots < experts:
        raise AssertionError(f"num_slots ({slots}) should be at least num_experts ({experts})")


def resolve_moe_sizes(tp: int, *, moe_tp: int, moe_ep: int, cluster: int) -> tuple[int, int, int]:
    """Fill in the sizes left at -1, as ``Mapping`` does; return (moe_tp, moe_ep, moe_cluster)."""
    cluster = 1 if cluster == -1 else cluster
    if moe_tp == -1 and moe_ep == -1:
        return tp // cluster, 1, cluster
    if moe_tp == -1:
        return max(1, tp // (moe_ep * cluster)), moe_ep, cluster
    if moe_ep == -1:
        return moe_tp, max(1, tp // (moe_tp * cluster)), cluster
    return moe_tp, moe_ep, cluster
