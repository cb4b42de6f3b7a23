"""etcd, NATS and the frontend of a deployment: one step on the head node."""

from __future__ import annotations

from collections.abc import Callable

from harness.deadline import Deadline, wait_until
from harness.dynamo.discovery import Discovery, Instance
from harness.dynamo.frontend import Frontend
from harness.dynamo.launch import LaunchContext
from harness.dynamo.plan import FRONTEND_BUDGET_S
from harness.dynamo.readiness import refuse_foreign
from harness.errors import NameTaken, NotReady, ProductError
from harness.http import Http
from harness.logs import tail
from harness.slurm.client import Slurm
from harness.slurm.step import Step

STOP_SIGNAL = "USR1"
"""What start_frontend_services.sh stops its services for, in order; it says why it is not TERM."""

RESTART_SIGNAL = "URG"
"""What it restarts the frontend for."""


class Services:
    """The services' step and their clients."""

    def __init__(self, context: LaunchContext, step: Step, *, instance_prefix: str) -> None:
        self.step = step
        self.discovery = Discovery(Http(context.etcd_url, server="etcd"), instance_prefix)
        self.frontend = Frontend(Http(context.frontend_url, server="the frontend"))
        self._url = context.frontend_url

    def wait_up(self) -> tuple[Instance, ...]:
        """Wait until the frontend answers; return what is registered before the first worker.

        Raises :class:`~harness.errors.NameTaken` when another deployment's workers are there.
        """
        self._wait_answers(Deadline.after(FRONTEND_BUDGET_S))
        instances, models = self.discovery.instances(), self.frontend.models()
        refuse_foreign(instances)
        if models:
            raise NameTaken(
                f"{self._url}/v1/models lists {', '.join(models)} before the first worker started",
                hint="a worker of another deployment is registered in this deployment's etcd",
            )
        return instances

    def restart_frontend(self, slurm: Slurm, served: Callable[[], bool]) -> float:
        """Have the frontend alone restarted; return the seconds until ``served`` is true again."""
        deadline = Deadline.after(FRONTEND_BUDGET_S)
        before = self._starts()
        slurm.signal(self.step.step_id, RESTART_SIGNAL)
        restarted = wait_until(
            lambda: self._starts() > before and self._answers() and served(),
            deadline,
            watch=self.step.check_alive,
        )
        if not restarted:
            raise self._silent("did not serve again", deadline.elapsed_s)
        return deadline.elapsed_s

    def _starts(self) -> int:
        """Return how often the script has said that it starts the frontend."""
        return self.step.out.read_text(errors="replace").count("starting the frontend")

    def _wait_answers(self, deadline: Deadline) -> None:
        if not wait_until(self._answers, deadline, watch=self.step.check_alive):
            raise self._silent("/health did not answer", deadline.elapsed_s)

    def _answers(self) -> bool:
        try:
            return bool(self.frontend.health())
        except ProductError:
            return False

    def _silent(self, what: str, after_s: float) -> NotReady:
        return NotReady(
            f"{self.step.where}: {self._url} {what} after {after_s:.0f} s; "
            f"last words: {tail(self.step.err, 3)!r}; log: {self.step.err}"
        )
