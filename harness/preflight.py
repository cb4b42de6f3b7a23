"""What can be known to be wrong before any node is used.

That is: settings, paths, and engine configs against the shape of their workers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from harness.dynamo.launch import all_mounts
from harness.dynamo.topologies import topology
from harness.engine_config import (
    EngineConfig,
    check_engine_config,
    check_prefill_decode_pair,
    load_engine_config,
    longest_prompt,
    shares_experts,
)
from harness.errors import EngineConfigError, SettingsError
from harness.mounts import Mount, check_sources, host_path
from harness.releases import dynamo_release
from harness.settings import Settings
from harness.topology import Role, RoleShape

PROMPT_TOKENS = 200
ANSWER_TOKENS = 64
"""The longest prompt and the longest answer that the tests ask of every deployment, in tokens.

Of a disaggregated one they also ask the longest prompt it takes (:func:`prompt_limit`).
"""


def check_settings(
    settings: Settings, topologies: Sequence[str], environ: Mapping[str, str]
) -> None:
    """Check all of it on the head node; raises the ConfigError of the first thing found wrong."""
    dynamo_release(settings.dynamo_release)
    _check_image(settings.image)
    mounts = all_mounts(settings)
    check_sources(mounts, where="MOUNTS")
    check_shapes(settings, topologies)
    _check_model(settings, mounts, environ)


def check_shapes(settings: Settings, topologies: Sequence[str]) -> None:
    """Check every engine config against TensorRT-LLM's rules and the GPUs of its worker.

    The two configs of a disaggregated topology are held against each other as well.
    """
    mounts = all_mounts(settings)
    for name in topologies:
        shaped = topology(name, settings)
        configs = {
            shape.role: _check_shape(shape, shaped.gpus_per_node, mounts) for shape in shaped.roles
        }
        if {Role.PREFILL, Role.DECODE} <= configs.keys():
            prefill, decode = configs[Role.PREFILL], configs[Role.DECODE]
            longest = longest_prompt(
                prefill, decode, answer_tokens=ANSWER_TOKENS, otherwise=PROMPT_TOKENS
            )
            check_prefill_decode_pair(prefill, decode, prompt_tokens=longest)


def shares_expert_memory(settings: Settings, engine_config: str) -> bool:
    """Return whether workers of an engine config make files in /dev/shm for their experts."""
    mounts = all_mounts(settings)
    config = load_engine_config(_resolve(engine_config, mounts))
    return shares_experts(config, resolve=lambda path: host_path(path, mounts))


def balancer_paths(settings: Settings, engine_configs: Iterable[str]) -> tuple[str, ...]:
    """Return the balancers' files that engine configs name, as paths inside the container."""
    mounts = all_mounts(settings)
    named = [load_engine_config(_resolve(each, mounts)) for each in dict.fromkeys(engine_configs)]
    return tuple(each.load_balancer_path for each in named if each.load_balancer_path)


def prompt_limit(settings: Settings, name: str) -> int:
    """Return the tokens of the longest prompt that a topology can answer; PROMPT_TOKENS wins."""
    first, last = _first_and_last(settings, name)
    longest = longest_prompt(first, last, answer_tokens=ANSWER_TOKENS, otherwise=PROMPT_TOKENS)
    return settings.prompt_tokens or longest


def context_tokens(settings: Settings, name: str) -> int | None:
    """Return the tokens of prompt and answer together; ``None`` where the model limits them."""
    _, last = _first_and_last(settings, name)
    return settings.context_tokens or last.max_seq_len


def _first_and_last(settings: Settings, name: str) -> tuple[EngineConfig, EngineConfig]:
    """Return the engine configs of the worker that takes prompts, and of the one that answers."""
    mounts = all_mounts(settings)
    configs = {
        shape.role: load_engine_config(_resolve(shape.engine_config, mounts))
        for shape in topology(name, settings).roles
    }
    if Role.AGGREGATED in configs:
        return configs[Role.AGGREGATED], configs[Role.AGGREGATED]
    return configs[Role.PREFILL], configs[Role.DECODE]


def _check_shape(shape: RoleShape, gpus_per_node: int, mounts: Sequence[Mount]) -> EngineConfig:
    config = load_engine_config(_resolve(shape.engine_config, mounts))
    check_engine_config(
        config,
        gpus=shape.nodes_per_worker * gpus_per_node,
        gpus_per_node=gpus_per_node,
        prompt_tokens=PROMPT_TOKENS,
        answer_tokens=1 if shape.role is Role.PREFILL else ANSWER_TOKENS,
        takes_prompts=shape.role is not Role.DECODE,
        resolve=lambda path: host_path(path, mounts),
    )
    return config


def _check_image(image: str) -> None:
    if not image:
        raise SettingsError(
            "IMAGE is not set: the container image with Dynamo and TensorRT-LLM",
            hint="export IMAGE=/shared/dynamo-trtllm.sqsh, or `image:` in clusters/<site>.yaml",
        )
    if image.startswith(("/", "./")) and not Path(image).is_file():
        raise SettingsError(
            f"IMAGE={image}: there is no such file on this node",
            hint="an image given as a path must lie on the shared file system",
        )


def _resolve(container_path: str, mounts: Sequence[Mount]) -> Path:
    path = host_path(container_path, mounts)
    if path is None:
        raise EngineConfigError(
            f"engine config {container_path} lies under no mount ({', '.join(map(str, mounts))})",
            hint="an engine config is a path inside the container; mount its folder with MOUNTS",
        )
    if not path.is_file():
        raise EngineConfigError(
            f"engine config {container_path} does not exist: no file {path} on this node",
            hint="an engine config is a path inside the container; "
            "MOUNTS says where that is on the host",
        )
    return path


def _check_model(settings: Settings, mounts: Sequence[Mount], environ: Mapping[str, str]) -> None:
    if settings.model_path.startswith(("/", ".")):
        _check_model_folder(settings.model_path, mounts)
        return
    variables = {**environ, **settings.environment}
    cache = variables.get("HF_HOME")
    if not cache or variables.get("HF_HUB_OFFLINE", "0") in {"", "0"}:
        return  # resolved by a download inside the container: nothing to be known here
    folder = "models--" + settings.model_path.replace("/", "--")
    cached = host_path(cache, mounts)
    if cached is None or not (cached / "hub" / folder).is_dir():
        raise SettingsError(
            f"MODEL_PATH={settings.model_path} is not in the Hugging Face cache HF_HOME={cache} "
            f"(no folder {(cached or Path(cache)) / 'hub' / folder}), "
            "and HF_HUB_OFFLINE forbids a download",
            hint="give a model of the cache, a folder that is mounted, or another HF_HOME",
        )


def _check_model_folder(model_path: str, mounts: Sequence[Mount]) -> None:
    folder = host_path(model_path, mounts)
    if folder is None or not (folder / "config.json").is_file():
        seen = "no mount leads there" if folder is None else f"no file {folder / 'config.json'}"
        raise SettingsError(
            f"MODEL_PATH={model_path} is not a model folder inside the container: {seen}",
            hint="MODEL_PATH is a path inside the container: mount it with MOUNTS",
        )
