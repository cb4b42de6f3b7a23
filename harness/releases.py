"""What differs between releases of Dynamo and TensorRT-LLM, one table each; code asks the table.

Log wording is evidence and diagnosis only: readiness is decided from Slurm, HTTP and etcd.
Sources: the released wheels and runs of the release named in each row.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.errors import SettingsError


@dataclass(frozen=True)
class DynamoRelease:
    """Facts about one Dynamo release."""

    version: str
    worker_module: str
    """Python module of the TensorRT-LLM worker."""
    serving_components: tuple[str, ...]
    """Components under which a worker that serves requests registers its ``generate`` endpoint."""
    instance_prefix: str
    """etcd prefix of the instance records."""
    reports_worker_id: bool
    """Whether ``nvext.extra_fields: ["worker_id"]`` names the worker in the answer."""


_V1 = "v1/instances/"
_DYNAMO = {
    row.version: row
    for row in (
        # 0.6.1 still calls the component tensorrt_llm; the v1/ layout of etcd came with 0.8.1.
        DynamoRelease("0.8.1", "dynamo.trtllm", ("tensorrt_llm",), _V1, reports_worker_id=False),
        DynamoRelease("1.0.2", "dynamo.trtllm", ("tensorrt_llm",), _V1, reports_worker_id=True),
        DynamoRelease("1.4.2", "dynamo.trtllm", ("backend",), _V1, reports_worker_id=True),
        DynamoRelease("1.6.1", "dynamo.trtllm", ("backend",), _V1, reports_worker_id=True),
    )
}


def dynamo_release(version: str) -> DynamoRelease:
    """Return the facts of a release; raise :class:`SettingsError` for one not in the table."""
    try:
        return _DYNAMO[version]
    except KeyError:
        known = ", ".join(_DYNAMO)
        raise SettingsError(
            f"DYNAMO_RELEASE={version!r} is not in the table of releases; known: {known}",
            hint="add a row to harness/releases.py with the facts of that release",
        ) from None


RANK_LINE = (
    r"^[Rr]ank(?P<rank>\d+) run mgmn (?P<kind>leader|worker) node"
    r" with mpi_world_size: (?P<size>\d+)"
)
"""A rank's start, from trtllm-llmapi-launch (older releases write ``Rank``)."""

MODEL_INIT_LINE = r"Model init total -- (?P<seconds>[0-9.]+)s"
"""A rank's end of loading, TensorRT-LLM 1.0 to 1.3."""

ENGINE_VERSION_LINE = r"\[TensorRT-LLM\] TensorRT.LLM version: (?P<version>\S+)"
"""What ``import tensorrt_llm`` prints."""

EPLB_SHM_DEFAULT = "moe_shared"
"""Default of TRTLLM_EPLB_SHM_NAME, in /dev/shm: ``<prefix>_l<layer>_lr<local rank>_all``."""
