"""One typed settings object: command line > environment > ``clusters/<site>.yaml`` > defaults.

The environment names are those of NVIDIA's multinode example (IMAGE, MOUNTS, MODEL_PATH, ...), with
the same defaults, so that a shell prepared for its scripts works here too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from harness.errors import SettingsError
from harness.features import Feature, parse_features
from harness.references import References, check_names
from harness.releases import STOP_CLEANUP_S, STOP_DRAIN_S, STOP_GRACE_S, STOP_RANKS_S
from harness.sites import SiteFile, load_site, select_site

PROJECT_ROOT = Path(__file__).resolve().parent.parent
SITES_DIR = PROJECT_ROOT / "clusters"

SITE_ONLY = frozenset({"environment", "references"})
"""Settings that are mappings: a site file alone has them, no variable and no option."""

PASSED_ON = ("HF_HOME", "HF_HUB_OFFLINE")
"""Variables of the shell that every step gets for certain: an image that defines them would win."""


def _check_features(text: str) -> str:
    parse_features(text)
    return text


class Settings(BaseModel):
    """Everything a run can be told; in capitals a field is a variable, with dashes an option."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image: str = Field(
        "",
        description="container image with Dynamo and TensorRT-LLM (squashfs path or registry name)",
    )
    mounts: str = Field(
        f"{PROJECT_ROOT}:/mnt", description="comma-separated host:container pairs for every step"
    )
    extra_mounts: str = Field(
        "", description="pairs added to MOUNTS, whatever MOUNTS is (site file)"
    )
    model_path: str = Field(
        "nvidia/DeepSeek-R1-FP4",
        description="model folder inside the container, or Hugging Face name",
    )
    served_model_name: str = Field("", description="name in /v1/models; default: MODEL_PATH")
    engine_config: str = Field(
        "/mnt/engine_configs/deepseek_r1/wide_ep/wide_ep_agg.yaml",
        description="engine config of the aggregated worker, as a path inside the container",
    )
    replica_engine_config: str = Field(
        "/mnt/engine_configs/deepseek_r1/simple/agg.yaml",
        description="engine config of the single-node replicas that are scaled",
    )
    prefill_engine_config: str = Field(
        "/mnt/engine_configs/deepseek_r1/wide_ep/wide_ep_prefill.yaml",
        description="engine config of the prefill workers",
    )
    decode_engine_config: str = Field(
        "/mnt/engine_configs/deepseek_r1/wide_ep/wide_ep_decode.yaml",
        description="engine config of the decode workers",
    )
    replica_prefill_engine_config: str = Field(
        "/mnt/engine_configs/deepseek_r1/simple/prefill.yaml",
        description="engine config of the single-node prefill workers",
    )
    replica_decode_engine_config: str = Field(
        "/mnt/engine_configs/deepseek_r1/simple/decode.yaml",
        description="engine config of the single-node decode workers",
    )
    wide_prefill_engine_config: str = Field(
        "/mnt/engine_configs/deepseek_r1/simple/prefill_two_nodes.yaml",
        description="engine config of the two-node prefill worker before single-node decode ones",
    )
    num_nodes: int = Field(4, ge=1, description="nodes of the aggregated worker")
    num_prefill_nodes: int = Field(4, ge=1, description="nodes of each prefill worker")
    num_prefill_workers: int = Field(1, ge=1, description="replicas of the prefill worker")
    num_decode_nodes: int = Field(4, ge=1, description="nodes of each decode worker")
    num_decode_workers: int = Field(1, ge=1, description="replicas of the decode worker")
    disaggregation_strategy: Literal["decode_first", "prefill_first"] = Field(
        "decode_first", description="which role takes a request first; for releases that ask"
    )
    num_gpus_per_node: int = Field(4, ge=1, description="GPUs, and so ranks, on each node")
    max_replicas: int = Field(4, ge=1, description="single-node replicas to scale up to")
    account: str = Field("", description="Slurm account for every step (-A)")
    partition: str = Field("", description="Slurm partition the allocation is expected in")
    head_node: str = Field(
        "", description="node for etcd, NATS and the frontend; default: SLURMD_NODENAME"
    )
    head_node_ip: str = Field(
        "", description="address of the head node that every node reaches; default: found out"
    )
    dyn_http_port: int = Field(8000, ge=1, le=65535, description="frontend's HTTP port")
    migration_limit: int = Field(
        3,
        ge=0,
        description="times the frontend gives a request to another worker of several; 0: never",
    )
    etcd_port: int = Field(2379, ge=1, le=65535, description="etcd's client port")
    nats_port: int = Field(4222, ge=1, le=65535, description="NATS's client port")
    dyn_system_port: int = Field(
        9090,
        ge=0,
        le=65535,
        description="port of every worker's metrics, on its first node; 0: workers tell none",
    )
    load_rate_per_s: float = Field(
        20, gt=0, description="requests a second of the steady load under which is scaled"
    )
    dynamo_release: str = Field(
        "1.4.2", description="Dynamo release in the image; selects facts that differ"
    )
    declared_features: Annotated[str, AfterValidator(_check_features)] = Field(
        "",
        description="what the server serves beyond the core, comma-separated: stop, n, logprobs, "
        "tools, tool-calls, response_format, ignore_eos, equal-answers; default: what "
        "DYNAMO_RELEASE has, or with --endpoint nothing",
    )
    prompt_tokens: int | None = Field(
        None,
        ge=1,
        description="tokens of the longest prompt; default: by the engine configs, or with "
        "--endpoint not known",
    )
    context_tokens: int | None = Field(
        None,
        ge=1,
        description="tokens of prompt and answer together; default: by the engine configs, or "
        "with --endpoint not known",
    )
    aiperf_tokenizer: str = Field(
        "",
        description="tokenizer for aiperf's prompts, name in HF_HOME or folder; "
        "default: MODEL_PATH",
    )
    stall_limit_s: float = Field(
        10, gt=0, description="seconds of silence within a stream that count as a stall"
    )
    hang_limit_s: float = Field(
        9,
        gt=0,
        description="seconds without a token to anybody that are a hang",
    )
    start_timeout_s: float = Field(
        1800, gt=0, description="seconds for a worker to load and register"
    )
    stop_timeout_s: float | None = Field(
        None,
        gt=0,
        description="seconds for an orderly shutdown before escalation; default: the product's "
        "own grace and drain, and as much again for its ranks (120)",
    )
    gpu_idle_mib: int = Field(
        1024, ge=0, description="GPU memory in use below which a GPU counts as idle, MiB"
    )
    gpu_tolerance_mib: int = Field(
        256, ge=0, description="GPU memory above the baseline still counted as returned, MiB"
    )
    environment: dict[str, str] = Field(
        default_factory=dict, description="further variables for every step (site file)"
    )
    references: Annotated[References, AfterValidator(check_names)] = Field(
        default_factory=dict,
        description="what latencies and throughput have been, by topology (site file)",
    )

    @property
    def stop_budget_s(self) -> float:
        """Seconds from TERM to escalation: STOP_TIMEOUT_S, or what the product may need itself."""
        if self.stop_timeout_s is not None:
            return self.stop_timeout_s
        grace = self.environment.get("DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS")
        grace_s = float(grace) if grace else STOP_GRACE_S
        return grace_s + STOP_DRAIN_S + STOP_CLEANUP_S + STOP_RANKS_S

    @property
    def features(self) -> frozenset[Feature]:
        """DECLARED_FEATURES as features."""
        return parse_features(self.declared_features)

    @property
    def model_name(self) -> str:
        """The name clients use: SERVED_MODEL_NAME, or else MODEL_PATH."""
        return self.served_model_name or self.model_path


@dataclass(frozen=True)
class LoadedSettings:
    """Settings, and where each one that is not a default came from."""

    settings: Settings
    sources: Mapping[str, str]
    site: str


def option_name(field: str) -> str:
    """Return the command-line option of a settings field, ``num_nodes`` -> ``--num-nodes``."""
    return "--" + field.replace("_", "-")


def load_settings(
    options: Mapping[str, str | None],
    environ: Mapping[str, str],
    *,
    site: str | None = None,
    sites_dir: Path = SITES_DIR,
) -> LoadedSettings:
    """Merge the sources; raise :class:`SettingsError` that names each bad value and its place.

    ``options`` maps field names to the strings given on the command line, or ``None``. ``site`` is
    the name given with ``--site``; without one, SITE and then Slurm's cluster name select the file.
    """
    site_file = _site(site, environ, sites_dir)
    values: dict[str, Any] = dict(site_file.values)
    sources = {name: site_file.where(name) for name in values}
    for name in Settings.model_fields:
        if name in SITE_ONLY:
            continue
        given = environ.get(name.upper())
        if given:
            values[name], sources[name] = given, f"environment variable {name.upper()}"
        option = options.get(name)
        if option is not None:
            values[name], sources[name] = option, option_name(name)
    shell = {name: environ[name] for name in PASSED_ON if environ.get(name)}
    if shell and isinstance(values.get("environment", {}), dict):
        values["environment"] = {**values.get("environment", {}), **shell}
    try:
        settings = Settings(**values)
    except ValidationError as invalid:
        raise SettingsError(_explain(invalid, sources, site_file)) from None
    return LoadedSettings(settings, sources, site_file.name)


def _site(site: str | None, environ: Mapping[str, str], sites_dir: Path) -> SiteFile:
    path = select_site(site or environ.get("SITE"), environ.get("SLURM_CLUSTER_NAME"), sites_dir)
    return load_site(path) if path else SiteFile.empty()


def _explain(invalid: ValidationError, sources: Mapping[str, str], site_file: SiteFile) -> str:
    lines = []
    for error in invalid.errors():
        name, *inner = map(str, error["loc"])
        where = sources.get(name, "default")
        if error["type"] == "extra_forbidden" and not inner:
            known = ", ".join(sorted(Settings.model_fields))
            lines.append(f"{site_file.where(name)}: unknown key `{name}`; known keys: {known}")
        else:
            key = ".".join([name.upper(), *inner])
            lines.append(f"{where}: {key}={error['input']!r}: {error['msg']}")
    return "; ".join(lines)
