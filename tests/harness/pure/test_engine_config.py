"""Engine configs: what is shipped is sound, and what is broken is named with file, line and fix."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from harness.engine_config import (
    EngineConfig,
    MoeModel,
    check_engine_config,
    engine_config_remarks,
    load_engine_config,
)
from harness.errors import EngineConfigError, VerdictClass
from harness.mounts import host_path, parse_mounts

ROOT = Path(__file__).resolve().parents[3]
CONFIGS = ROOT / "engine_configs"
MOUNTS = parse_mounts(f"{ROOT}:/mnt", where="test")
SHAPES = {
    "deepseek_r1/wide_ep/wide_ep_agg.yaml": 16,
    "deepseek_r1/wide_ep/wide_ep_prefill.yaml": 16,
    "deepseek_r1/wide_ep/wide_ep_decode.yaml": 16,
    "deepseek_r1/simple/agg.yaml": 4,
    "deepseek_r1/simple/agg_wide_ep.yaml": 4,
    "deepseek_r1/simple/prefill.yaml": 4,
    "deepseek_r1/simple/decode.yaml": 4,
    "deepseek_r1/simple/prefill_two_nodes.yaml": 8,
}

NARROW = {"deepseek_r1/simple/agg_wide_ep.yaml"}
"""WIDEEP on fewer ranks than a token has experts: slower, and small on purpose."""

SOUND = """\
backend: pytorch
tensor_parallel_size: 16
moe_expert_parallel_size: 16
enable_attention_dp: true
moe_config:
  backend: WIDEEP
  load_balancer: /mnt/engine_configs/deepseek_r1/wide_ep/eplb.yaml
max_batch_size: 256
max_num_tokens: 256
max_seq_len: 8448
kv_cache_config:
  free_gpu_memory_fraction: 0.7
  dtype: fp8
cuda_graph_config:
  enable_padding: true
  batch_sizes: [1, 2, 4]
"""


def resolve(container_path: str) -> Path | None:
    return host_path(container_path, MOUNTS)


def written(folder: Path, text: str, *, name: str = "engine.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def error_of(path: Path, *, gpus: int = 16, prompt_tokens: int = 0, answer_tokens: int = 0) -> str:
    """Return the error of a config on nodes of 4 GPUs."""
    with pytest.raises(EngineConfigError) as caught:
        check_engine_config(
            load_engine_config(path),
            gpus=gpus,
            resolve=resolve,
            gpus_per_node=4,
            prompt_tokens=prompt_tokens,
            answer_tokens=answer_tokens,
        )
    assert caught.value.verdict_class is VerdictClass.CONFIG
    return str(caught.value)


def changed(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, old
    return text.replace(old, new)


# ---------------------------------------------------------------------------------- what is shipped


@pytest.mark.parametrize(("name", "gpus"), SHAPES.items())
def test_shipped_config_is_sound_at_its_own_shape(name: str, gpus: int) -> None:
    config = load_engine_config(CONFIGS / name)

    check_engine_config(
        config, gpus=gpus, resolve=resolve, gpus_per_node=4, prompt_tokens=200, answer_tokens=50
    )
    remarks = engine_config_remarks(config, resolve=resolve)
    assert ["without all-to-all" in remark for remark in remarks] == [True] * (name in NARROW)


def test_every_shipped_engine_config_is_checked_here() -> None:
    shipped = {str(path.relative_to(CONFIGS)) for path in CONFIGS.rglob("*.yaml")}

    engine = {name for name in shipped if not name.endswith("/eplb.yaml")}
    assert {name for name in engine if "/topologies/" not in f"/{name}"} == set(SHAPES)


def test_values_of_the_aggregated_recipe() -> None:
    path = CONFIGS / "deepseek_r1/wide_ep/wide_ep_agg.yaml"
    config = load_engine_config(path)

    assert (config.world_size, config.tp_size, config.pp_size, config.cp_size) == (16, 16, 1, 1)
    assert (config.moe_ep_size, config.moe_tp_size, config.moe_backend) == (16, 1, "WIDEEP")
    assert (config.attention_dp, config.kv_cache_dtype) == (True, "fp8")
    assert (config.max_batch_size, config.max_num_tokens, config.max_seq_len) == (256, 256, 8448)
    assert config.load_balancer_path == "/mnt/engine_configs/deepseek_r1/wide_ep/eplb.yaml"
    assert config.max_prompt_tokens == 256
    assert config.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert config.raw["moe_config"]["backend"] == "WIDEEP"


def test_the_single_node_recipe_has_no_load_balancer() -> None:
    config = load_engine_config(CONFIGS / "deepseek_r1/simple/agg.yaml")

    assert (config.world_size, config.load_balancer) == (4, None)


def test_what_a_file_does_not_say_has_tensorrt_llms_defaults(tmp_path: Path) -> None:
    config = load_engine_config(written(tmp_path, "backend: pytorch\n"))

    assert (config.world_size, config.moe_ep_size, config.moe_backend) == (1, 1, "AUTO")
    assert (config.max_batch_size, config.max_num_tokens, config.max_seq_len) == (2048, 8192, None)
    check_engine_config(config, gpus=1, resolve=resolve)


# -------------------------------------------------------------------------- broken keys and values


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        pytest.param(
            "WIDEEP",
            "WIFEEP",
            [":6: moe_config.backend: expected 'AUTO'", "seen 'WIFEEP'", "did you mean WIDEEP?"],
            id="the published typo",
        ),
        pytest.param(
            "WIDEEP", "WideEp", ["seen 'WideEp'", "did you mean WIDEEP?"], id="wrong capitals"
        ),
        pytest.param(
            "enable_padding",
            "enable_graph_padding",
            [":15: cuda_graph_config.enable_graph_padding: not a key", "write enable_padding"],
            id="a key that never was",
        ),
        pytest.param(
            "enable_padding",
            "enable_paddin",
            ["cuda_graph_config.enable_paddin", "did you mean enable_padding?"],
            id="misspelt nested key",
        ),
        pytest.param(
            "batch_sizes:",
            "cuda_graph_batch_sizes:",
            ["cuda_graph_config.cuda_graph_batch_sizes", "write batch_sizes"],
            id="former name of a nested key",
        ),
        pytest.param(
            "backend: pytorch",
            "cuda_graph_padding_enabled: true",
            [":1: cuda_graph_padding_enabled:", "enable_padding of the section cuda_graph_config"],
            id="former name at the top level",
        ),
        pytest.param(
            "backend: pytorch",
            "pytorch_backend_config: {use_cuda_graph: true}",
            [":1: pytorch_backend_config:", "its keys at the top level"],
            id="a section that is gone",
        ),
        pytest.param(
            "backend: pytorch",
            "free_gpu_memory_fraction: 0.5",
            ["in this place; it belongs in kv_cache_config"],
            id="key outside its section",
        ),
        pytest.param(
            "backend: pytorch",
            "zzz: 1",
            [":1: zzz: not a key of TensorRT-LLM 1.3.0rc22; remove it"],
            id="a key like no other",
        ),
        pytest.param(
            "backend: pytorch",
            "a.b: 1",
            [":1: a.b: not a key of TensorRT-LLM"],
            id="a key with a dot",
        ),
        pytest.param(
            "0.7", "1.7", ["expected less than or equal to 1, seen 1.7"], id="out of range"
        ),
        pytest.param(
            "pytorch", "tensorrt", ["backend: expected 'pytorch', seen 'tensorrt'"], id="backend"
        ),
        pytest.param("dtype: fp8", "dtype: fp88", ["seen 'fp88'; did you mean fp8?"], id="dtype"),
        pytest.param(
            "parallel_size: 16\nmoe",
            "parallel_size: sixteen\nmoe",
            [":2: tensor_parallel_size: expected a valid integer", "seen 'sixteen'"],
            id="a word for a number",
        ),
        pytest.param(
            "enable_attention_dp: true",
            "enable_attention_dp: maybe",
            ["enable_attention_dp: expected a valid boolean", "seen 'maybe'"],
            id="neither true nor false",
        ),
        pytest.param(
            "  backend: WIDEEP\n  load_balancer:",
            "  - WIDEEP\n  -",
            ["moe_config: expected a mapping of keys, seen ['WIDEEP'"],
            id="a list for a section",
        ),
        pytest.param(
            "max_batch_size: 256",
            "max_batch_size: 256\nmax_batch_size: 128",
            [":9: max_batch_size: stands twice, first on line 8"],
            id="duplicate key",
        ),
        pytest.param(
            "dtype: fp8",
            "dtype: fp8\n  dtype: auto",
            [":14: kv_cache_config.dtype: stands twice, first on line 13"],
            id="duplicate nested key",
        ),
    ],
)
def test_broken_key_is_named_with_line_and_fix(
    tmp_path: Path, *, old: str, new: str, words: list[str]
) -> None:
    text = error_of(written(tmp_path, changed(SOUND, old, new)))

    assert [word for word in words if word not in text] == [], text
    assert "1 problem by the rules of TensorRT-LLM 1.3.0rc22:\n" in text, text
    assert f"{tmp_path}/engine.yaml:" in text


def test_section_that_may_be_null_is_off(tmp_path: Path) -> None:
    text = SOUND[: SOUND.index("cuda_graph_config")] + "cuda_graph_config: null\n"

    check_engine_config(load_engine_config(written(tmp_path, text)), gpus=16, resolve=resolve)


def test_section_that_must_not_be_null_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, "kv_cache_config:\n")

    assert "kv_cache_config: expected a mapping of keys, seen None" in error_of(path, gpus=1)


def test_no_rule_builds_on_a_section_that_is_reported_itself(tmp_path: Path) -> None:
    text = "tensor_parallel_size: 12\nmoe_expert_parallel_size: 12\nmoe_config: WIDEEP\n"

    error = error_of(written(tmp_path, text), gpus=12)
    assert "1 problem by the rules" in error
    assert ":3: moe_config: expected a mapping of keys, seen 'WIDEEP'" in error


# ---------------------------------------------------------------------------------- broken shapes


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        pytest.param(
            "tensor_parallel_size: 16\nmoe_expert_parallel_size: 16",
            "tensor_parallel_size: 8\nmoe_expert_parallel_size: 8",
            [
                ":2: tensor_parallel_size: expected",
                "16 GPUs, 4 nodes x 4, seen 8 x 1 x 1 = 8",
                "NUM_NODES",
                "External MPI session has 16 workers but the model needs world_size=8.",
            ],
            id="world size too small",
        ),
        pytest.param(
            "backend: pytorch",
            "pipeline_parallel_size: 2",
            ["seen 16 x 2 x 1 = 32", "world_size=32"],
            id="pipeline multiplies",
        ),
        pytest.param(
            "moe_expert_parallel_size: 16",
            "moe_expert_parallel_size: 32",
            [
                ":3: moe_expert_parallel_size: expected",
                "tensor_parallel_size, 16",
                "choose divisors",
            ],
            id="more expert ranks than ranks",
        ),
        pytest.param(
            "moe_expert_parallel_size: 16",
            "moe_expert_parallel_size: 9",
            [":3: moe_expert_parallel_size: expected", "seen 1 x 9 x 1"],
            id="expert ranks that do not divide the ranks",
        ),
        pytest.param(
            "moe_expert_parallel_size: 16",
            "moe_expert_parallel_size: -4\nmoe_tensor_parallel_size: -4",
            [":3: moe_expert_parallel_size: expected", "seen -4 x -4 x 1"],
            id="sizes below one whose product fits",
        ),
        pytest.param(
            "moe_expert_parallel_size: 16",
            "moe_expert_parallel_size: 0",
            [":3: moe_expert_parallel_size: expected", "x 0 x 1"],
            id="no expert ranks",
        ),
        pytest.param(
            "enable_attention_dp: true",
            "enable_attention_dp: false",
            [":4: enable_attention_dp: expected true", "Attention DP should be used with WideEP."],
            id="WIDEEP with attention split",
        ),
        pytest.param(
            "enable_attention_dp: true\n",
            "",
            [":5: enable_attention_dp: expected true", "seen no such key"],
            id="WIDEEP without a word on attention",
        ),
        pytest.param(
            "backend: pytorch",
            "gpus_per_node: 8",
            [":1: gpus_per_node: expected 4", "seen 8; remove the key"],
            id="GPUs of another kind of node",
        ),
        pytest.param(
            "enable_padding: true",
            "max_batch_size: 8",
            [":15: cuda_graph_config.max_batch_size: expected 4", "seen 8"],
            id="graphs for two batch sizes",
        ),
        pytest.param(
            "eplb.yaml",
            "eplp.yaml",
            [":7: moe_config.load_balancer: /mnt/", "eplp.yaml does not exist", "eplb.yaml?"],
            id="balancer's file missing",
        ),
    ],
)
def test_broken_shape_is_named_with_line_and_fix(
    tmp_path: Path, *, old: str, new: str, words: list[str]
) -> None:
    text = error_of(written(tmp_path, changed(SOUND, old, new)))

    assert [word for word in words if word not in text] == [], text
    assert "1 problem by the rules" in text, text


def test_wide_ep_on_one_gpu_is_refused(tmp_path: Path) -> None:
    text = changed(SOUND, "tensor_parallel_size: 16\nmoe_expert_parallel_size: 16\n", "")

    error = error_of(written(tmp_path, text), gpus=1)
    assert "WideEP should only be enabled with parallel_size > 1" in error


def test_experts_divide_evenly_without_a_balancer(tmp_path: Path) -> None:
    text = "tensor_parallel_size: 12\nmoe_expert_parallel_size: 12\n"

    error = error_of(written(tmp_path, text), gpus=12)
    assert ":2: moe_expert_parallel_size: expected a divisor of the 256 experts" in error


def test_longest_request_of_the_run_fits(tmp_path: Path) -> None:
    path = written(tmp_path, SOUND)

    text = error_of(path, prompt_tokens=8000, answer_tokens=500)
    assert ":10: max_seq_len: expected at least 8500" in text
    assert "8000 + 500 tokens, seen 8448" in text
    assert ":9: max_num_tokens: expected at least 8000" in text
    assert "should not exceed max_num_tokens (256)" in text


def test_chunked_prefill_takes_prompts_longer_than_a_pass(tmp_path: Path) -> None:
    text = changed(SOUND, "backend: pytorch", "enable_chunked_prefill: true")
    config = load_engine_config(written(tmp_path, text))

    check_engine_config(config, gpus=16, resolve=resolve, prompt_tokens=8000, answer_tokens=100)
    assert config.max_prompt_tokens == 8447


# -------------------------------------------------------------------------------- the load balancer


@pytest.mark.parametrize(
    ("balancer", "words"),
    [
        ("num_slots: 290\n", [":1: num_slots: expected a multiple of 16", "304 is one", "(290)"]),
        ("num_slots: 128\n", [":1: num_slots: expected at least 256, the experts of DeepSeek-R1"]),
        ("layer_updates_per_iter: 1\n", ["num_slots: expected at least 256", "no such key"]),
        ("num_slot: 288\n", [":1: num_slot: not a key", "did you mean num_slots?"]),
        ("num_slots: many\n", ["num_slots: expected a valid integer"]),
        ("num_slots: 288\nlayer_updates_per_iter: -1\n", [":2: layer_updates_per_iter: expected"]),
        (
            "num_slots: 288\ninitial_global_assignments: {3: [0]}\n",
            ["expected 288 experts, as many"],
        ),
        ("", ["expected a mapping of keys, seen an empty file"]),
    ],
)
def test_broken_balancer_is_named_in_its_own_file(
    tmp_path: Path, balancer: str, words: list[str]
) -> None:
    eplb = written(tmp_path, balancer, name="balancer.yaml")
    path = written(tmp_path, SOUND)

    with pytest.raises(EngineConfigError) as caught:
        check_engine_config(load_engine_config(path), gpus=16, resolve=lambda _: eplb)
    text = str(caught.value)
    assert [word for word in [*words, str(eplb)] if word not in text] == [], text
    assert "1 problem by the rules" in text, text


def test_balancer_written_in_place_is_checked_with_its_lines(tmp_path: Path) -> None:
    old = "load_balancer: /mnt/engine_configs/deepseek_r1/wide_ep/eplb.yaml"
    text = changed(SOUND, old, "load_balancer:\n    num_slots: 257")

    assert "engine.yaml:8: num_slots: expected a multiple" in error_of(written(tmp_path, text))


def test_proposed_number_of_slots_holds_all_experts(tmp_path: Path) -> None:
    eplb = written(tmp_path, "num_slots: 130\n", name="balancer.yaml")
    config = load_engine_config(written(tmp_path, SOUND))

    with pytest.raises(EngineConfigError, match="2 problems") as caught:
        check_engine_config(config, gpus=16, resolve=lambda _: eplb)
    assert "256 is one" in str(caught.value)


def test_288_slots_do_not_serve_64_ranks(tmp_path: Path) -> None:
    text = SOUND.replace("16", "64")

    error = error_of(written(tmp_path, text), gpus=64)
    assert "eplb.yaml:6: num_slots: expected a multiple of 64" in error
    assert "320 is one" in error


def test_another_model_brings_its_own_number_of_experts(tmp_path: Path) -> None:
    config = load_engine_config(written(tmp_path, SOUND))

    with pytest.raises(EngineConfigError, match="at least 384, the experts of Other, seen 288"):
        check_engine_config(
            config, gpus=16, resolve=resolve, model=MoeModel("Other", experts=384, top_k=8)
        )


# ------------------------------------------------------------------------------------ whole files


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "engine.yaml:1: expected a mapping of keys, seen an empty file"),
        (b"# nothing but a comment\n", "seen an empty file"),
        (b"- a\n- b\n", "expected a mapping of keys, seen a list"),
        (b"WIDEEP\n", "expected a mapping of keys, seen a str"),
        (b"a: 1\nb: [1, 2\n", "engine.yaml:3: not valid YAML:"),
        (b"a:\n\tb: 1\n", "engine.yaml:2: not valid YAML:"),
        (b"a: 1\n---\nb: 1\n", "engine.yaml:2: not valid YAML:"),
        (b"a: !!python/name:os.system\n", "engine.yaml:1: not valid YAML:"),
        (b"a: 2026-13-40\n", "holds a value YAML cannot read"),
        (b"\xff\xfe\xfa", "not valid YAML"),
        (b"? [a, b]\n: 1\n", "engine.yaml:1: not valid YAML:"),
    ],
)
def test_file_that_is_no_mapping_is_refused_at_once(
    tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "engine.yaml"
    path.write_bytes(content)

    with pytest.raises(EngineConfigError) as caught:
        load_engine_config(path)
    assert words in str(caught.value)


def test_alias_that_holds_itself_is_refused_not_followed(tmp_path: Path) -> None:
    path = written(tmp_path, "moe_config: &a {moe_config: *a}\n")

    assert "moe_config.moe_config: not a key" in error_of(path, gpus=1)


def test_missing_file_names_its_nearest_neighbour() -> None:
    with pytest.raises(EngineConfigError, match="does not exist") as caught:
        load_engine_config(CONFIGS / "deepseek_r1/wide_ep/wide_ep_age.yaml")
    assert "did you mean wide_ep_agg.yaml?" in str(caught.value)


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineConfigError, match=r"there is no folder .*/nowhere"):
        load_engine_config(tmp_path / "nowhere" / "engine.yaml")


def test_folder_in_place_of_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineConfigError, match="cannot be read: Is a directory"):
        load_engine_config(tmp_path)


def test_all_problems_come_in_one_error_in_the_order_of_lines(tmp_path: Path) -> None:
    text = changed(SOUND, "tensor_parallel_size: 16\nmoe", "tensor_parallel_size: 8\nmoe")
    text = changed(text, "enable_padding", "enable_paddin")
    text = changed(text, "WIDEEP", "WIFEEP")

    error = error_of(written(tmp_path, text))
    places = [line.split("engine.yaml:")[1].split(":")[0] for line in error.splitlines()[1:-1]]
    assert "4 problems by the rules" in error
    assert places == ["2", "3", "6", "15"]


def test_misspelt_size_is_reported_once_and_not_as_a_wrong_world_too(tmp_path: Path) -> None:
    text = changed(SOUND, "\ntensor_parallel_size", "\ntensor_paralel_size")

    error = error_of(written(tmp_path, text))
    assert "did you mean tensor_parallel_size?" in error
    assert "1 problem" in error, error


# ---------------------------------------------------------------------------------------- remarks


def remarks_of(config: EngineConfig) -> str:
    return "\n".join(engine_config_remarks(config, resolve=resolve))


def test_wide_ep_over_few_ranks_is_remarked(tmp_path: Path) -> None:
    config = load_engine_config(written(tmp_path, SOUND.replace("16", "8")))

    assert "WIDEEP works without all-to-all: 8 ranks" in remarks_of(config)


def test_balancer_that_no_mount_covers_is_remarked_not_refused(tmp_path: Path) -> None:
    config = load_engine_config(written(tmp_path, SOUND.replace("/mnt/", "/elsewhere/")))

    check_engine_config(config, gpus=16, resolve=resolve)
    assert (
        "/elsewhere/engine_configs/deepseek_r1/wide_ep/eplb.yaml is under no mount"
        in remarks_of(config)
    )


def test_batch_that_a_pass_cannot_hold_is_remarked(tmp_path: Path) -> None:
    text = changed(SOUND, "max_batch_size: 256", "max_batch_size: 512")

    assert "max_batch_size 512 is never reached" in remarks_of(
        load_engine_config(written(tmp_path, text))
    )
