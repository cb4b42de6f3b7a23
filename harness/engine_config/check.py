"""TensorRT-LLM's rules for an engine config that can be checked with no GPU and no node.

Sources: TensorRT-LLM's mapping, llm_args, MoE load balancer and wide-EP layer. Each rule quotes the
words with which TensorRT-LLM itself would fail, so that a line of a log leads here.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.engine_config.balancer import DEEPSEEK_R1, MoeModel, Resolve, expert_problems
from harness.engine_config.config import EngineConfig
from harness.engine_config.problem import Problem, as_error, broken

_TP = "tensor_parallel_size"
_SIZES = (_TP, "pipeline_parallel_size", "context_parallel_size")
_MOE_SIZES = (
    "moe_expert_parallel_size",
    "moe_tensor_parallel_size",
    "moe_cluster_parallel_size",
)
_ADP = "enable_attention_dp"
_MOE_BACKEND = "moe_config.backend"
_LARGEST_GRAPH = "cuda_graph_config.max_batch_size"


def check_engine_config(
    config: EngineConfig,
    *,
    gpus: int,
    resolve: Resolve,
    gpus_per_node: int | None = None,
    prompt_tokens: int = 0,
    answer_tokens: int = 0,
    takes_prompts: bool = True,
    model: MoeModel = DEEPSEEK_R1,
) -> None:
    """Raise one :class:`~harness.errors.EngineConfigError` with every broken rule, file and line.

    ``gpus`` are the worker's ranks: nodes x GPUs a node. ``resolve`` finds a path of the container
    on this node, to read the load balancer's file. ``prompt_tokens`` and ``answer_tokens`` are the
    longest that the run will ask for; 0 leaves them out. A decode worker gets its prompts as KV
    cache (``takes_prompts`` false): they need not fit into one pass of it.
    """
    problems = [
        *config.document.problems,
        *_world(config, gpus, gpus_per_node),
        *_expert_sizes(config),
        *_wide_ep(config),
        *expert_problems(config, model=model, resolve=resolve),
        *_sequence(config, prompt_tokens, answer_tokens),
        *(_one_pass(config, prompt_tokens) if takes_prompts else ()),
        *_cuda_graphs(config),
    ]
    if problems:
        raise as_error(problems)


def engine_config_remarks(
    config: EngineConfig, *, resolve: Resolve, model: MoeModel = DEEPSEEK_R1
) -> tuple[str, ...]:
    """Return what is legal, but slower or less checked than the config's author may think."""
    remarks = []
    if config.moe_backend == "WIDEEP" and config.moe_ep_size <= model.top_k:
        remarks.append(
            f"WIDEEP works without all-to-all: {config.moe_ep_size} ranks of experts are not more "
            f"than the {model.top_k} experts that {model.name} uses for a token"
        )
    if config.max_batch_size > config.max_num_tokens:
        remarks.append(
            f"max_batch_size {config.max_batch_size} is never reached with max_num_tokens "
            f"{config.max_num_tokens}"
        )
    balancer = config.load_balancer_path
    if balancer is not None and resolve(balancer) is None:
        remarks.append(f"{balancer} is under no mount: it was not checked")
    return tuple(f"{config.path}: {each}" for each in remarks)


def _world(config: EngineConfig, gpus: int, gpus_per_node: int | None) -> Iterator[Problem]:
    document = config.document
    if config.world_size != gpus and not document.suspects(*_SIZES):
        nodes = f", {gpus // gpus_per_node} nodes x {gpus_per_node}" if gpus_per_node else ""
        yield document.problem(
            _TP,
            broken(
                f"tensor x pipeline x context parallel size to be the worker's {gpus} GPUs{nodes}",
                f"{config.tp_size} x {config.pp_size} x {config.cp_size} = {config.world_size}",
                fix="change the sizes here, or NUM_NODES and NUM_GPUS_PER_NODE",
                says=f"External MPI session has {gpus} workers but the model needs "
                f"world_size={config.world_size}.",
            ),
            near=_SIZES[1],
        )
    wanted = document.values.get("gpus_per_node")
    if gpus_per_node and wanted and wanted != gpus_per_node:
        yield document.problem(
            "gpus_per_node",
            broken(f"{gpus_per_node}, as on the run's nodes", wanted, fix="remove the key"),
        )


def _expert_sizes(config: EngineConfig) -> Iterator[Problem]:
    # With context parallelism releases differ in what the product must equal.
    if config.cp_size > 1 or config.document.suspects(*_SIZES, *_MOE_SIZES):
        return
    tp, ep, cluster = config.moe_tp_size, config.moe_ep_size, config.moe_cluster_size
    if min(tp, ep, cluster) < 1 or tp * ep * cluster != config.tp_size:
        key = next((key for key in _MOE_SIZES if key in config.document.lines), _TP)
        yield config.document.problem(
            key,
            broken(
                f"moe tensor x expert x cluster parallel size to be {_TP}, {config.tp_size}",
                f"{tp} x {ep} x {cluster}",
                fix=f"choose divisors of {config.tp_size}",
                says="tp_size must equal to moe_tp_size * moe_ep_size * moe_cluster_size",
            ),
        )


def _wide_ep(config: EngineConfig) -> Iterator[Problem]:
    document = config.document
    if config.moe_backend != "WIDEEP":
        return
    if not config.attention_dp and not document.suspects(_ADP):
        text = broken(
            f"true, because {_MOE_BACKEND} is WIDEEP",
            "false" if _ADP in document.lines else "no such key",
            fix="set it to true, or take another backend",
            says="Attention DP should be used with WideEP.",
        )
        yield document.problem(_ADP, text, near=_MOE_BACKEND)
    if config.tp_size == 1 and not document.suspects(_TP):
        text = broken(
            f"more than 1, because {_MOE_BACKEND} is WIDEEP",
            1,
            fix="take another backend for one GPU",
            says="WideEP should only be enabled with parallel_size > 1",
        )
        yield document.problem(_TP, text, near=_MOE_BACKEND)


def _sequence(config: EngineConfig, prompt_tokens: int, answer_tokens: int) -> Iterator[Problem]:
    wanted = prompt_tokens + answer_tokens
    if config.max_seq_len is not None and wanted > config.max_seq_len:
        longest = f"the run's longest prompt and answer, {prompt_tokens} + {answer_tokens} tokens"
        yield config.document.problem(
            "max_seq_len", broken(f"at least {wanted}, {longest}", config.max_seq_len)
        )


def _one_pass(config: EngineConfig, prompt_tokens: int) -> Iterator[Problem]:
    limit = config.max_num_tokens
    if not config.chunked_prefill and prompt_tokens > limit:
        text = broken(
            f"at least {prompt_tokens}, the tokens of the run's longest prompt",
            limit,
            fix="raise it, or set enable_chunked_prefill",
            says=f"The sum of prompt length ({prompt_tokens}), query length (0) should not exceed "
            f"max_num_tokens ({limit})",
        )
        yield config.document.problem("max_num_tokens", text)


def _cuda_graphs(config: EngineConfig) -> Iterator[Problem]:
    sizes = config.document.values.get("cuda_graph_config.batch_sizes")
    largest = config.document.values.get(_LARGEST_GRAPH)
    if sizes and largest and largest != max(sizes):
        yield config.document.problem(
            _LARGEST_GRAPH,
            broken(
                f"{max(sizes)}, the largest of cuda_graph_config.batch_sizes",
                largest,
                fix="remove one of the two keys",
                says="CudaGraphConfig.max_batch_size is incompatible with batch_sizes",
            ),
        )
