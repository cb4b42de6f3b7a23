"""What differs between releases of Dynamo and TensorRT-LLM, one table each; code asks the table.

Log wording is evidence and diagnosis only: readiness is decided from Slurm, HTTP and etcd.
Sources: the released wheels and runs of the release named in each row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.errors import SettingsError
from harness.features import Feature
from harness.roles import Role


@dataclass(frozen=True)
class DynamoRelease:
    """Facts about one Dynamo release."""

    version: str
    worker_module: str
    """Python module of the TensorRT-LLM worker."""
    first_component: str
    """Component of the worker that takes a client's request, as ``generate`` endpoints name it."""
    second_component: str
    """Component of the other role of a disaggregated deployment."""
    strategy_flag: bool
    """Whether the worker takes ``--disaggregation-strategy``; without it decode comes first."""
    reports_worker_id: bool
    """Whether ``nvext.extra_fields: ["worker_id"]`` names the workers in the answer."""
    alone_status: Mapping[Role, int] = field(
        default_factory=lambda: {Role.PREFILL: 404, Role.DECODE: 503}
    )
    """HTTP status of a request while only workers of this role are there.

    1.4.2 was asked. Of the other releases it is assumed.
    """
    features: frozenset[Feature] = frozenset(
        {Feature.STOP, Feature.IGNORE_EOS, Feature.EQUAL_ANSWERS}
    )
    """What frontend and worker serve beyond the core, with the engine configs of the project.

    1.4.2 was asked; of the other releases the least is assumed. ``response_format`` and
    forced tool calls need an engine config with ``guided_decoding_backend``, which none of the
    project's has.
    """
    apart_lacks: frozenset[Feature] = frozenset({Feature.CHOICES})
    """What of it is not served where prefill and decode are workers of their own.

    1.4.2 refuses ``n`` there: `Prefill response should be generated only once`.
    """
    metrics_flag: str = "--publish-events-and-metrics"
    """Flag that makes a worker publish its engine's statistics (1.4.2 has it as an old alias)."""
    instance_prefix: str = "v1/instances/"
    """etcd prefix of the instance records."""
    lease_ttl_s: float = 10.0
    """Seconds for which a dead worker's instance stays, unless ETCD_LEASE_TTL says otherwise."""

    def serves(self, *, disaggregated: bool) -> frozenset[Feature]:
        """Return what is served beyond the core by deployments of one kind."""
        return self.features - self.apart_lacks if disaggregated else self.features

    def component(self, role: Role, strategy: str) -> str:
        """Return the component under which a worker of a role registers its ``generate``."""
        prefill_first = self.strategy_flag and strategy == "prefill_first"
        second = Role.DECODE if prefill_first else Role.PREFILL
        return self.second_component if role is second else self.first_component

    def worker_flags(self, *, strategy: str, metrics: bool) -> tuple[str, ...]:
        """Return the flags of the worker that differ between releases."""
        chosen = ("--disaggregation-strategy", strategy) if self.strategy_flag else ()
        return (*chosen, self.metrics_flag) if metrics else chosen


_MODULE = "dynamo.trtllm"
_DYNAMO = {
    row.version: row
    for row in (
        DynamoRelease(
            "0.6.1",
            _MODULE,
            first_component="tensorrt_llm",
            second_component="tensorrt_llm_next",
            strategy_flag=True,
            reports_worker_id=False,
        ),
        DynamoRelease(
            "0.8.1",
            _MODULE,
            first_component="tensorrt_llm",
            second_component="prefill",
            strategy_flag=False,
            reports_worker_id=False,
        ),
        DynamoRelease(
            "1.0.2",
            _MODULE,
            first_component="tensorrt_llm",
            second_component="prefill",
            strategy_flag=False,
            reports_worker_id=True,
        ),
        DynamoRelease(
            "1.4.2",
            _MODULE,
            first_component="backend",
            second_component="prefill",
            strategy_flag=False,
            reports_worker_id=True,
            features=frozenset(Feature) - {Feature.JSON_TEXT, Feature.TOOL_CALLS},
        ),
        DynamoRelease(
            "1.6.1",
            _MODULE,
            first_component="backend",
            second_component="prefill",
            strategy_flag=False,
            reports_worker_id=True,
        ),
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

STOP_GRACE_S = 5.0
"""Dynamo's pause after it left discovery (DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS)."""

STOP_DRAIN_S = 30.0
"""The most that Dynamo 1.4.2 waits for requests and transfers in flight."""

STOP_CLEANUP_S = 30.0
"""The most that it gives the engine to clean up."""

STOP_RANKS_S = 55.0
"""For the ranks to leave MPI and give back their memory, on a busy node."""

STOP_STAGES = (
    ("unregistered", r"unregistering endpoints from discovery"),
    ("drained", r"Drain complete|All in-flight requests drained"),
    ("engine cleaned up", r"Running engine cleanup before runtime shutdown"),
    ("runtime ended", r"Runtime shutdown initiated|Received shutdown signal, shutting down Distr"),
    ("ranks ended", r"worker rank\d+ quited"),
)
"""What a worker says on its way out, in this order; each release says some of it.

The first, second and fourth are Dynamo's (1.0.2 and later; before, the fourth alone), the third is
Dynamo's where it stops the engine itself, the last is TensorRT-LLM's.
"""

ENGINE_VERSION_LINE = r"\[TensorRT-LLM\] TensorRT.LLM version: (?P<version>\S+)"
"""What ``import tensorrt_llm`` prints."""

PROGRESS_WORDS = (b"mpi_world_size", b"Model init total", b"ersion")
"""Words of the three lines above, cheap to look for."""

EPLB_SHM_DEFAULT = "moe_shared"
"""Default of TRTLLM_EPLB_SHM_NAME, in /dev/shm: ``<prefix>_l<layer>_lr<local rank>_all``."""
