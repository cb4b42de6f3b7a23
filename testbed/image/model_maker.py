"""Makes the model's files: run by the image's own Python, with the engine's packages on its path.

Usage: ``python model_maker.py FOLDER``. The folder gets what a Hugging Face snapshot of
DeepSeek-R1 has: config, generation config, tokenizer, chat template, quantization config; and
weights as it has them, index and shards, of which each expert is a page of zeros.
"""

from __future__ import annotations

import importlib
import json
import struct
import sys
from pathlib import Path
from typing import Any

BOS, EOS, USER, ASSISTANT, SYSTEM = (
    "<|begin|>",
    "<|end|>",
    "<|user|>",
    "<|assistant|>",
    "<|system|>",
)
SPECIAL_TOKENS = (BOS, EOS, USER, ASSISTANT, SYSTEM)
VOCABULARY_SIZE = 16000

CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' }}{{ message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)

EXPERT_BYTES = 4096
EXPERTS_KEPT = 4
"""Experts of a layer that have a file's tensor: as many pages as an emulated rank's node shares."""

# The shape of DeepSeek-R1 (its public config.json); vocabulary and special tokens are this
# tokenizer's.
SHAPE: dict[str, Any] = {
    "architectures": ["DeepseekV3ForCausalLM"],
    "model_type": "deepseek_v3",
    "hidden_size": 7168,
    "intermediate_size": 18432,
    "moe_intermediate_size": 2048,
    "num_hidden_layers": 61,
    "num_nextn_predict_layers": 1,
    "num_attention_heads": 128,
    "num_key_value_heads": 128,
    "n_shared_experts": 1,
    "n_routed_experts": 256,
    "num_experts_per_tok": 8,
    "n_group": 8,
    "topk_group": 4,
    "topk_method": "noaux_tc",
    "scoring_func": "sigmoid",
    "norm_topk_prob": True,
    "routed_scaling_factor": 2.5,
    "first_k_dense_replace": 3,
    "moe_layer_freq": 1,
    "q_lora_rank": 1536,
    "kv_lora_rank": 512,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-06,
    "rope_theta": 10000,
    "max_position_embeddings": 163840,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "use_cache": True,
}


def training_text() -> list[str]:
    """Return every word in the forms an answer uses.

    After a space, at a start, and as a sentence begins.
    """
    # On the path of the image's Python, not of the one that builds.
    words: Any = importlib.import_module("tensorrt_llm._emulation.words")
    lines: list[str] = []
    for word in words.all_words():
        lines += [f" {word}"] * 4 + [word] * 2 + [f" {word.capitalize()}", word.capitalize()]
    return lines


def train_tokenizer() -> Any:
    """Train a byte-level BPE tokenizer on the words; any text can be encoded with it."""
    kit: Any = importlib.import_module("tokenizers")
    tokenizer = kit.Tokenizer(kit.models.BPE())
    tokenizer.pre_tokenizer = kit.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = kit.decoders.ByteLevel()
    trainer = kit.trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE,
        min_frequency=1,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=kit.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(training_text(), trainer)
    return tokenizer


def write_model(folder: Path) -> None:
    """Write all files of the model."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = train_tokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    ids = {token: tokenizer.token_to_id(token) for token in SPECIAL_TOKENS}
    ends = {"bos_token_id": ids[BOS], "eos_token_id": ids[EOS]}
    write_json(folder / "config.json", {**SHAPE, **ends, "vocab_size": tokenizer.get_vocab_size()})
    write_json(
        folder / "generation_config.json",
        {**ends, "do_sample": True, "temperature": 0.6, "top_p": 0.95},
    )
    write_json(
        folder / "hf_quant_config.json",
        {
            "producer": {"name": "emulated"},
            "quantization": {"quant_algo": "NVFP4", "kv_cache_quant_algo": "FP8"},
        },
    )
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": BOS,
            "eos_token": EOS,
            "pad_token": EOS,
            "model_max_length": SHAPE["max_position_embeddings"],
            "chat_template": CHAT_TEMPLATE,
        },
    )
    write_weights(folder)


def write_weights(folder: Path) -> None:
    """Write the weights: two shards in safetensors' format, and the index that names them."""
    first, layers = SHAPE["first_k_dense_replace"], SHAPE["num_hidden_layers"]
    names = ["model.embed_tokens.weight"] + [
        f"model.layers.{layer}.mlp.experts.{expert}.down_proj.weight"
        for layer in range(first, layers)
        for expert in range(EXPERTS_KEPT)
    ]
    half = len(names) // 2
    shards = {
        "model-00001-of-00002.safetensors": names[:half],
        "model-00002-of-00002.safetensors": names[half:],
    }
    for shard, tensors in shards.items():
        write_shard(folder / shard, tensors)
    weight_map = {name: shard for shard, tensors in shards.items() for name in tensors}
    metadata = {"total_size": len(names) * EXPERT_BYTES}
    index = {"metadata": metadata, "weight_map": weight_map}
    write_json(folder / "model.safetensors.index.json", index)


def write_shard(path: Path, names: list[str]) -> None:
    """Write one safetensors file: the header's length, the header, the tensors."""
    header = {
        name: {
            "dtype": "U8",
            "shape": [EXPERT_BYTES],
            "data_offsets": [place * EXPERT_BYTES, (place + 1) * EXPERT_BYTES],
        }
        for place, name in enumerate(names)
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(len(names) * EXPERT_BYTES))


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write one JSON file for people to read."""
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_model(Path(sys.argv[1]))
