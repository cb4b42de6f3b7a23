"""Rules about experts: how they divide over ranks, with and without a load balancer (EPLB)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.engine_config.config import EngineConfig
from harness.engine_config.document import Document, read_document
from harness.engine_config.keys import LOAD_BALANCER
from harness.engine_config.problem import Problem, broken
from harness.engine_config.table import check_keys
from harness.errors import EngineConfigError

_KEY = "moe_config.load_balancer"
_EP_SIZE = "moe_expert_parallel_size"

Resolve = Callable[[str], "Path | None"]
"""From a path inside the container to one on this node; ``None`` where no mount covers it."""


@dataclass(frozen=True)
class MoeModel:
    """What the rules must know of a model: its routed experts, and how many serve one token."""

    name: str
    experts: int
    top_k: int


DEEPSEEK_R1 = MoeModel("DeepSeek-R1", experts=256, top_k=8)
"""``n_routed_experts`` and ``num_experts_per_tok`` of the model's config.json."""


def expert_problems(
    config: EngineConfig, *, model: MoeModel, resolve: Resolve
) -> Iterator[Problem]:
    """Yield what is wrong with the experts' places, in the config and in its balancer's file."""
    if config.load_balancer is None:
        yield from _even(config, model)
        return
    balancer = _read(config, resolve)
    if isinstance(balancer, Problem):
        yield balancer
    elif balancer is not None:
        yield from balancer.problems
        yield from _slots(config, balancer, model)


def shares_experts(config: EngineConfig, *, resolve: Resolve) -> bool:
    """Return whether the ranks of a node share experts through files in /dev/shm (online EPLB).

    That is so with a balancer that moves layers while it serves (``layer_updates_per_iter`` above
    0). A balancer's file that is not on this node counts as static.
    """
    if config.load_balancer is None:
        return False
    balancer = _read(config, resolve)
    if not isinstance(balancer, Document):
        return False
    return bool((balancer.values.get("layer_updates_per_iter") or 0) > 0)


def _even(config: EngineConfig, model: MoeModel) -> Iterator[Problem]:
    if config.document.suspects(_EP_SIZE, _KEY) or config.moe_ep_size < 1:
        return
    if model.experts % config.moe_ep_size:
        yield config.document.problem(
            _EP_SIZE,
            broken(
                f"a divisor of the {model.experts} experts of {model.name}",
                config.moe_ep_size,
                fix=f"choose one, or give {_KEY} with num_slots",
            ),
        )


def _read(config: EngineConfig, resolve: Resolve) -> Document | Problem | None:
    """Return the balancer's keys, or what is in the way; ``None`` when it is not on this node."""
    if isinstance(config.load_balancer, Mapping):
        return _in_place(config.document, config.load_balancer)
    path = resolve(str(config.load_balancer))
    if path is None:
        return None
    try:
        return read_document(path, LOAD_BALANCER)
    except EngineConfigError as error:
        text = f"{config.load_balancer}: {error.message}"
        return config.document.problem(_KEY, f"{text}; {error.hint}" if error.hint else text)


def _in_place(document: Document, raw: Mapping[str, Any]) -> Document:
    prefix = f"{_KEY}."
    lines = {
        key.removeprefix(prefix): line
        for key, line in document.lines.items()
        if key.startswith(prefix)
    }
    values, problems = check_keys(document.path, LOAD_BALANCER, raw=raw, lines=lines)
    return Document(document.path, document.sha256, raw, values, lines, tuple(problems))


def _slots(config: EngineConfig, balancer: Document, model: MoeModel) -> Iterator[Problem]:
    slots = balancer.values.get("num_slots")
    at_least = f"at least {model.experts}, the experts of {model.name}"
    if slots is None:
        if not balancer.suspects("num_slots"):
            says = "`num_slots` cannot be None when calling setup()."
            yield balancer.problem("num_slots", broken(at_least, "no such key", says=says))
        return
    if slots < model.experts:
        yield balancer.problem("num_slots", broken(at_least, slots, fix="raise it"))
    if not config.document.suspects(_EP_SIZE):
        yield from _division(config, balancer, slots=max(slots, 0), floor=model.experts)
    yield from _assignments(balancer, slots)


def _division(
    config: EngineConfig, balancer: Document, *, slots: int, floor: int
) -> Iterator[Problem]:
    ranks = config.moe_ep_size
    if ranks > 0 and slots % ranks:
        multiple = -(-max(slots, floor) // ranks) * ranks
        yield balancer.problem(
            "num_slots",
            broken(
                f"a multiple of {ranks}, the {_EP_SIZE} of {config.path.name}",
                slots,
                fix=f"{multiple} is one",
                says=f"`num_slots` ({slots}) must be divisible by `ep_size` ({ranks}).",
            ),
        )


def _assignments(balancer: Document, slots: int) -> Iterator[Problem]:
    assigned = balancer.values.get("initial_global_assignments") or {}
    for layer, experts in assigned.items():
        if len(experts) != slots:
            yield balancer.problem(
                f"initial_global_assignments.{layer}",
                broken(f"{slots} experts, as many as num_slots", len(experts)),
                near="initial_global_assignments",
            )
