"""Engine config files: how their values join those of the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from ..logger import logger
from .config_sections import AttentionDpConfig, KvCacheConfig, MoeConfig, Nvfp4GemmConfig

# Sections made into objects while the file is read: their unknown keys fail here, before the LLM
# is made.
_SECTIONS: dict[str, type[BaseModel]] = {
    "moe_config": MoeConfig,
    "nvfp4_gemm_config": Nvfp4GemmConfig,
    "attention_dp_config": AttentionDpConfig,
    "kv_cache_config": KvCacheConfig,
}


def update_llm_args_with_extra_options(
    llm_args: dict[str, Any], extra_llm_api_options: str | None
) -> dict[str, Any]:
    """Return the arguments with those of a YAML file laid over them."""
    if extra_llm_api_options is None:
        return llm_args
    content = yaml.safe_load(Path(extra_llm_api_options).read_text(encoding="utf-8"))
    return update_llm_args_with_extra_dict(llm_args, content, extra_llm_api_options)


def update_llm_args_with_extra_dict(
    llm_args: dict[str, Any],
    llm_args_dict: dict[str, Any],
    extra_llm_api_options: str | None = None,
) -> dict[str, Any]:
    """Return the arguments with ``llm_args_dict`` laid over them.

    Raise ValidationError for unknown keys.
    """
    if "kv_cache_config" in llm_args and "kv_cache_config" in llm_args_dict:
        base = llm_args["kv_cache_config"]
        if isinstance(base, KvCacheConfig):
            base = base.model_dump(exclude_unset=True)
        llm_args_dict["kv_cache_config"] = base | llm_args_dict["kv_cache_config"]
    for name, section in _SECTIONS.items():
        if name in llm_args_dict:
            llm_args_dict[name] = section(**llm_args_dict[name])
            if name in llm_args:
                origin = (
                    f" because it's specified in {extra_llm_api_options}"
                    if extra_llm_api_options
                    else ""
                )
                logger.info(f"YAML overrides {name}{origin}")
    return llm_args | _changes(llm_args, llm_args_dict)


def _changes(llm_args: dict[str, Any], from_file: dict[str, Any]) -> dict[str, Any]:
    """Return what a file says otherwise than the command line.

    A value that equals the other stays what it is: Dynamo's ``Backend.PYTORCH`` equals the file's
    ``pytorch``, and Dynamo then asks whether it is ``in Backend``, which Python before 3.12 answers
    for a member only (NVIDIA's image has 3.12, this one the distribution's).
    """
    return {
        name: value
        for name, value in from_file.items()
        if name not in llm_args or llm_args[name] != value
    }
