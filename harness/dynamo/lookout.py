"""The lookout of one deployment: its watch, and all the facts that are known of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from harness.deadline import Deadline, wait_until
from harness.diagnosis.facts import Fact, Layer, Place, Source
from harness.diagnosis.listener import StepListener
from harness.diagnosis.signatures import (
    HANG,
    INSTANCE_GONE,
    NODE_UNFIT,
    RANK_STOPPED,
    SERVICE_SILENT,
)
from harness.diagnosis.slurm_facts import slurm_facts
from harness.dynamo.discovery import Discovery
from harness.dynamo.launch import LaunchContext
from harness.dynamo.pulses import (
    GONE_S,
    SILENT_S,
    Look,
    Suspicion,
    all_registered,
    looked_at,
    requests_answered,
    service_answers,
)
from harness.dynamo.services import Services
from harness.dynamo.stragglers import stopped_stragglers
from harness.dynamo.worker import Worker
from harness.errors import (
    Hang,
    HarnessError,
    InstanceGone,
    NodeLost,
    QualificationError,
    RankFailed,
    ServiceSilent,
)
from harness.http import Http
from harness.slurm.client import Slurm
from harness.slurm.step import Step
from harness.watching.pulse import Ask, Pulse
from harness.watching.watch import Watch
from harness.watching.watched import Watched

SLURM_EVERY_S = 10.0
"""Pause between two questions to slurmctld, which serves a whole cluster."""

LOOK_WAIT_S = 3.0
"""Seconds for a look at the nodes that began before a hang was told."""

SLURM_LIMIT_S = 15.0
"""Seconds for which Slurm gives a node up before that is an alarm: it may be wrong once."""

SETTLE_S = 1.5
"""Seconds for srun to tell of a dead task after a log has told of what followed from it."""

ALARMS: dict[str, type[QualificationError]] = {
    HANG: Hang,
    SERVICE_SILENT: ServiceSilent,
    INSTANCE_GONE: InstanceGone,
    NODE_UNFIT: NodeLost,
    RANK_STOPPED: RankFailed,
}


class Lookout:
    """Watches from the first step to the stop on purpose; ``on_alarm`` is told once.

    ``live`` gives the workers that have to live now.
    """

    def __init__(
        self,
        context: LaunchContext,
        slurm: Slurm,
        *,
        nodes: Sequence[str],
        live: Callable[[], Sequence[Worker]],
        look: Look,
        on_alarm: Callable[[Fact], None],
        on_broken: Callable[[str], None] = lambda _: None,
    ) -> None:
        """``on_broken`` is told of defects of the watch itself."""
        self._context = context
        self._slurm = slurm
        self._nodes = tuple(nodes)
        self._live = live
        self._look = look
        self._suspicion = Suspicion()
        self._services: Services | None = None
        self._listened: dict[str, Watched] = {}
        self._watch = Watch(self._watched, on_alarm=self._alarmed)
        self._on_alarm = on_alarm
        self._on_broken = on_broken

    def listen(self, step: Step, layer: Layer) -> None:
        """Listen to a step that was just started."""
        listener = StepListener(step.name, (step.err, step.out), layer)
        self._listened[step.name] = Watched(step, listener, layer)

    def begin(self) -> None:
        """Begin to watch: the first step runs."""
        self._watch.start()
        self._add("slurm", self._ask_slurm, every_s=SLURM_EVERY_S, limit_s=SLURM_LIMIT_S)

    def services_up(self, services: Services, instance_prefix: str) -> None:
        """Ask etcd and the frontend from now on: they have answered once."""
        self._services = services
        etcd = Http(self._context.etcd_url, server="etcd")
        frontend = Http(self._context.frontend_url, server="the frontend")
        where = Place(services.step.name, services.step.number, self._context.head_node)
        asks = {
            "etcd": service_answers(etcd, "/version", where),
            "frontend": service_answers(frontend, "/health", where),
        }
        for name, ask in asks.items():
            self._add(name, ask, every_s=1.0, limit_s=SILENT_S)
        late = stopped_stragglers(self._live, self._look)
        self._add("stragglers", late, every_s=1.0, limit_s=0.0)
        registered = all_registered(Discovery(etcd, instance_prefix), self._live)
        self._add("registered", registered, every_s=1.0, limit_s=GONE_S)

    def serving(self) -> None:
        """Ask for answers from now on: requests have succeeded."""
        if self._services is None:
            raise HarnessError("no services are watched yet")
        settings = self._context.settings
        ask = requests_answered(
            Http(self._context.frontend_url, server="the frontend"),
            settings.model_name,
            live=self._live,
            traffic=self._services.frontend.http.traffic,
            limit_s=settings.hang_limit_s,
            suspicion=self._suspicion,
        )
        self._add("canary", ask, every_s=1.0, limit_s=0.0)
        closer = looked_at(self._suspicion, self._live, self._look)
        self._add("nodes", closer, every_s=1.0, limit_s=0.0)

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Raise no alarm meanwhile: something is done to the deployment on purpose."""
        with self._watch.resting():
            yield

    def stop(self) -> None:
        """Watch no more."""
        self._watch.stop()

    @property
    def alarm_words(self) -> str:
        """What the alarm was about, or nothing."""
        return self._watch.alarm.words if self._watch.alarm else ""

    def check(self) -> None:
        """Raise what the alarm was about, if there was one."""
        alarm = self._watch.alarm
        if alarm is not None:
            self._hear_out(alarm)
            kind = ALARMS.get(alarm.name, RankFailed)
            where = f"{alarm.place}: " if str(alarm.place) else ""
            raise kind(f"{where}{alarm.words}")

    def _hear_out(self, alarm: Fact) -> None:
        """Raise how the step of an alarm ended, if it ends within a moment after what a log said.

        A rank may say that it cannot go on because another was killed, of which srun tells later.
        """
        known = self._listened.get(alarm.place.step)
        if known is None or alarm.source is not Source.LOG:
            return
        step = known.step
        wait_until(
            lambda: step.exit_code is not None, Deadline.after(SETTLE_S), watch=step.check_alive
        )

    def said_since(self, at: float, *, most: int | None = 8) -> list[Fact]:
        """Return the first lines worth a look that the logs got from a moment on, of each rank."""
        said = [fact for each in self._listened.values() for fact in each.facts() if fact.at >= at]
        return sorted(said, key=lambda fact: fact.at)[:most]

    def facts(self) -> list[Fact]:
        """Return all that is known now: of the steps that have to live, of the job, the alarm.

        A step that was ended on purpose explains nothing.
        """
        live = {worker.step.name for worker in self._live()}
        found = [
            fact
            for name, each in self._listened.items()
            if each.layer is Layer.SERVICES or name in live
            for fact in each.facts()
        ]
        alarm = self._watch.alarm
        told = [alarm] if alarm is not None and alarm.name in ALARMS else []
        if alarm is not None and alarm.name == HANG:
            told += self._suspicion.seen_of_hang(Deadline.after(LOOK_WAIT_S))
        return [*found, *told, *slurm_facts(self._slurm, self._nodes)]

    def _watched(self) -> list[Watched]:
        steps = [worker.step.name for worker in self._live()]
        if self._services is not None:
            steps.append(self._services.step.name)
        return [self._listened[name] for name in steps if name in self._listened]

    def _ask_slurm(self) -> list[Fact]:
        return slurm_facts(self._slurm, self._nodes)

    def _alarmed(self, fact: Fact) -> None:
        if self._services is not None:
            self._services.frontend.http.traffic.give_up(f"given up: {fact.words}")
            self._services.discovery.http.traffic.give_up(f"given up: {fact.words}")
        self._on_alarm(fact)

    def _add(self, name: str, ask: Ask, *, every_s: float, limit_s: float) -> None:
        self._watch.add(
            Pulse(
                name,
                ask,
                every_s=every_s,
                limit_s=limit_s,
                alarm=self._watch.raise_alarm,
                on_broken=self._on_broken,
            )
        )
