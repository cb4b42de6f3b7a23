"""Questions that a rehearsal answers: a short step with a worker's own srun flags."""

from __future__ import annotations

from collections.abc import Callable

from harness.dynamo.proxies import called_places, proxied_places
from harness.dynamo.rehearsal import Rehearsal, planned_paths, rehearsal_step, rehearse
from harness.dynamo.rehearsed import (
    Wrong,
    harmful_variables,
    injected_words,
    wrong_gpus,
    wrong_launch,
    wrong_model,
    wrong_paths,
    wrong_variables,
)
from harness.errors import ContainerUnfit, EnvironmentUnfit, LaunchUnfit, NodeUnfit
from harness.fitness.nodes import balancing_nodes
from harness.fitness.question import Ask, Asked, Asks, Fit, Question, refuse
from harness.nodes.room import short_of_shm, size_words
from harness.once import Once
from harness.preflight import balancer_paths


def container_asks(asked: Asked) -> Asks:
    """Return the questions; the step is made at the first of them."""
    container = _Container(asked)
    return {
        Question.LAUNCH: container.launch,
        Question.VARIABLES: container.ask(
            wrong_variables,
            hint="the image, or a script that starts in it, sets them after srun has: "
            "see /etc/environment in the image and enroot's hooks",
        ),
        Question.INJECTED: container.injected,
        Question.PROXY: container.proxy,
        Question.PATHS: container.ask(
            wrong_paths,
            said=_version_words,
            hint="MOUNTS and EXTRA_MOUNTS say what of a node is seen in the container",
        ),
        Question.CONTAINER_GPUS: container.ask(
            lambda rehearsal: wrong_gpus(rehearsal, asked.baseline()),
            hint="is the runtime's NVIDIA hook installed, and NVIDIA_VISIBLE_DEVICES=all set?",
        ),
        Question.MODEL: container.ask(
            wrong_model, said=_model_words, hint="copy the model anew, and compare its folder"
        ),
        Question.EXPERTS: container.experts,
    }


class _Container:
    """The step, and what it shows."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._rehearsal = Once("a step with a worker's srun flags", self._rehearse)

    def launch(self) -> Fit:
        """Ask whether the ranks are one world of the planned shape; else nothing more is asked."""
        self._rehearsal.get()
        return Fit()

    def injected(self) -> Fit:
        """Ask for variables that nobody planned."""
        rehearsal = self._rehearsal.get()
        refuse(
            harmful_variables(rehearsal),
            EnvironmentUnfit,
            hint="unset them, or plan them: `environment` in clusters/<site>.yaml",
        )
        return Fit(said=injected_words(rehearsal))

    def proxy(self) -> Fit:
        """Ask whether the parts of a deployment reach each other past a proxy."""
        rehearsal = self._rehearsal.get()
        places = called_places(self._asked.plan, self._asked.baseline())
        addresses = ",".join(address for place in places for address in place.addresses)
        refuse(
            proxied_places(rehearsal, places),
            EnvironmentUnfit,
            hint=f"no_proxy={addresses} (NO_PROXY, if that is set; a network such as 10.0.0.0/8 "
            "will do, a * will not), or unset the proxy; in the shell, or under `environment` "
            "in clusters/<site>.yaml",
        )
        return Fit()

    def experts(self) -> Fit:
        """Ask whether the nodes that balance experts online can hold them."""
        need = self._rehearsal.get().expert_bytes
        nodes, balancing = self._asked.baseline(), balancing_nodes(self._asked)
        if balancing and need == 0:
            return Fit(said=("the experts could not be counted: no weights of single experts",))
        refuse(
            short_of_shm(nodes, balancing, expert_bytes=need),
            NodeUnfit,
            hint="mount -o remount,size=... /dev/shm (as root, there), or take an engine config "
            "whose balancer is static (layer_updates_per_iter: 0)",
        )
        return Fit(said=(f"{size_words(need)} of experts",) if balancing else ())

    def ask(
        self,
        find: Callable[[Rehearsal], Wrong],
        *,
        hint: str,
        said: Callable[[Rehearsal], tuple[str, ...]] = lambda _: (),
    ) -> Ask:
        """Return a question; a no on every node is CONFIG, one on some is INFRA."""

        def answer() -> Fit:
            rehearsal = self._rehearsal.get()
            wrong = find(rehearsal)
            refuse(wrong.sentences, ContainerUnfit if wrong.everywhere else NodeUnfit, hint=hint)
            return Fit(said=said(rehearsal))

        return answer

    def _rehearse(self) -> Rehearsal:
        asked = self._asked
        asked.baseline()
        asked.stand_guard()
        log_folder = asked.directory.logs("preflight")
        paths = planned_paths(asked.plan, balancer_paths(asked.settings, asked.plan.engine_configs))
        spec = rehearsal_step(asked.plan, log_folder=log_folder, paths=paths)
        rehearsal = rehearse(
            asked.slurm,
            spec,
            log_folder=log_folder,
            start_timeout_s=asked.settings.start_timeout_s,
        )
        refuse(
            wrong_launch(rehearsal),
            LaunchUnfit,
            hint="compare `srun --mpi=pmix` with and without --container-image; with Pyxis, "
            "enroot's hook 50-slurm-pmi.sh has to be enabled",
        )
        return rehearsal


def _version_words(rehearsal: Rehearsal) -> tuple[str, ...]:
    """Return the versions that the image's files tell, each once: nodes may differ."""
    told = (each.versions or {} for each in rehearsal.first_ranks)
    pairs = {(name, version) for versions in told for name, version in versions.items()}
    return tuple(f"{name} {version}" for name, version in sorted(pairs))


def _model_words(rehearsal: Rehearsal) -> tuple[str, ...]:
    folders = sorted({each.model_folder or "" for each in rehearsal.answers} - {""})
    shards = max((each.shards for each in rehearsal.answers), default=0)
    return tuple(f"{folder}: {shards} files of weights" for folder in folders)
