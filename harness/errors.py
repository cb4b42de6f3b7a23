"""Named errors, each with the verdict class it stands for.

An ``AssertionError`` in a test is always about the product (class FAIL). Everything else that can
go wrong raises one of these, so that the report shows whose problem it is::

    QualificationError
    ├── ConfigError            [CONFIG]   what was asked for cannot work
    │   ├── SettingsError                 a setting is missing, unknown or malformed
    │   ├── EngineConfigError             a TensorRT-LLM YAML breaks TensorRT-LLM's own rules
    │   ├── PlanError                     topology, nodes and GPUs do not fit together
    │   ├── ContainerError                pyxis refused the image or a mount
    │   ├── ContainerUnfit                what the plan needs is not so inside the container
    │   ├── EnvironmentUnfit              variables, address or walltime cannot carry the plan
    │   └── NameTaken                     another deployment's workers are in the same discovery
    ├── ProductError           [FAIL]     Dynamo or TensorRT-LLM broke a promise
    │   ├── StepEnded                     a step ended that had to live
    │   ├── NotReady                      registration or the canary answer did not come in time
    │   ├── RankFailed                    a rank that lives has said that it cannot go on
    │   ├── ServiceSilent                 etcd or the frontend lives and answers nothing
    │   ├── InstanceGone                  the instance of a worker that lives has left discovery
    │   ├── Hang                          nothing is answered while every process lives
    │   └── StopFailed                    the orderly shutdown did not happen
    ├── ResidueError           [LEAK]     something was left behind
    ├── InfraError             [INFRA]    a node, the fabric, the file system or Slurm failed
    │   ├── SlurmError                    a Slurm command failed or did not answer
    │   ├── NodeOccupied                  a node was not clean before the start
    │   ├── NodeUnfit                     a node cannot carry its part of the plan
    │   ├── LaunchUnfit                   srun does not launch ranks as a worker needs them
    │   ├── NodesApart                    nodes of one deployment do not reach each other
    │   ├── NodeLost                      a node failed or fell silent, or the job ended
    │   └── PortTaken                     somebody else listens on a port of ours
    ├── NothingProved          [INVALID]  no test ran, or no token came
    └── HarnessError           [HARNESS]  this suite is at fault
"""

from __future__ import annotations

from harness.compat import StrEnum


class VerdictClass(StrEnum):
    """Whose problem an outcome is. The order of severity is in :mod:`harness.verdict`."""

    PASS = "PASS"  # noqa: S105 - the class of a run, no password
    FAIL = "FAIL"
    LEAK = "LEAK"
    CONFIG = "CONFIG"
    INFRA = "INFRA"
    INVALID = "INVALID"
    HARNESS = "HARNESS"


class QualificationError(Exception):
    """Base of all named errors; ``str()`` gives ``Name [CLASS]: message`` and the hint."""

    verdict_class = VerdictClass.HARNESS

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        text = f"{type(self).__name__} [{self.verdict_class}]: {self.message}"
        return f"{text}\nhint: {self.hint}" if self.hint else text


class ConfigError(QualificationError):
    """What was asked for cannot work; nothing was started, or it was refused at once."""

    verdict_class = VerdictClass.CONFIG


class SettingsError(ConfigError):
    """A setting is missing, unknown or malformed."""


class EngineConfigError(ConfigError):
    """An engine config breaks a rule of TensorRT-LLM."""


class PlanError(ConfigError):
    """Topology, nodes and GPUs do not fit together."""


class ContainerError(ConfigError):
    """The container runtime refused the image, a mount or an option."""


class ContainerUnfit(ConfigError):
    """What the plan needs is not so inside the container, on any node."""


class EnvironmentUnfit(ConfigError):
    """Injected variables, the head node's address or the walltime cannot carry the plan."""


class NameTaken(ConfigError):
    """Workers of another deployment are registered in this deployment's discovery."""


class ProductError(QualificationError):
    """The product broke a promise outside an assertion."""

    verdict_class = VerdictClass.FAIL


class StepEnded(ProductError):
    """A step ended while it had to live, with whatever exit code."""


class NotReady(ProductError):
    """A deployment did not become ready within its time."""


class RankFailed(ProductError):
    """A rank has said that it cannot go on, and lives, or is stopped."""


class ServiceSilent(ProductError):
    """etcd or the frontend lives and answers nothing."""


class InstanceGone(ProductError):
    """The instance of a worker that lives has left discovery."""


class Hang(ProductError):
    """Nothing is answered any more, while every process lives."""


class StopFailed(ProductError):
    """A step did not stop in an orderly way: wrong exit code, or escalation was needed."""


class ResidueError(QualificationError):
    """A stopped worker left something behind."""

    verdict_class = VerdictClass.LEAK


class InfraError(QualificationError):
    """A node, the fabric, the file system or Slurm failed."""

    verdict_class = VerdictClass.INFRA


class SlurmError(InfraError):
    """A Slurm command failed or did not answer within its deadline."""


class NodeOccupied(InfraError):
    """A node held something before the first step that would break the run."""


class NodeUnfit(InfraError):
    """A node cannot carry its part of the plan: its state, GPUs, memory, files or clock."""


class LaunchUnfit(InfraError):
    """srun does not launch ranks as a worker needs them."""


class NodesApart(InfraError):
    """Nodes whose workers have to talk to each other do not reach each other."""


class NodeLost(InfraError):
    """A node failed or fell silent, or the job ended, while a deployment lived."""


class PortTaken(InfraError):
    """A port the deployment needs on the head node is in somebody else's use."""


class NothingProved(QualificationError):
    """The run proved nothing."""

    verdict_class = VerdictClass.INVALID


class HarnessError(QualificationError):
    """The suite itself is at fault."""
