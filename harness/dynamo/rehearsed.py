"""Pure: what a rehearsal shows to be wrong with launch, variables, files, GPUs and model.

What is wrong on every node was asked for (CONFIG); what is wrong on some is theirs (INFRA).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from harness.dynamo.rehearsal import RankAnswer, Rehearsal
from harness.nodes.snapshot import Snapshot
from harness.slurm.nodelist import fold

SHOWN = 200
"""Characters of an injected variable in words."""


@dataclass(frozen=True)
class Wrong:
    """Sentences about what is wrong; ``everywhere``: on each node of the step alike."""

    sentences: tuple[str, ...]
    everywhere: bool


def wrong_launch(rehearsal: Rehearsal) -> Iterator[str]:
    """Yield why the ranks are not one MPI world of the planned shape."""
    spec, answers = rehearsal.spec, rehearsal.answers
    yield from rehearsal.broken
    ranks = {each.rank for each in answers}
    missing = [rank for rank in range(spec.tasks) if rank not in ranks]
    if missing:
        yield f"{len(missing)} of {spec.tasks} ranks said nothing: {_ranks(missing)}"
    for node in spec.nodes:
        count = sum(each.host == node for each in answers)
        if count != spec.tasks_per_node:
            yield f"{node}: {spec.tasks_per_node} ranks are planned, {count} ran there"
    yield from _wrong_world(rehearsal)


def _wrong_world(rehearsal: Rehearsal) -> Iterator[str]:
    size, answers = rehearsal.spec.tasks, rehearsal.answers
    without = [each.rank for each in answers if each.pmix_rank is None or not each.pmix_namespace]
    if without:
        yield f"no PMIx in the container (PMIX_RANK, PMIX_SERVER_URI) of {_ranks(without)}"
        return
    for each in answers:
        if each.pmix_rank != each.rank:
            yield f"{each.host}: rank {each.rank} of Slurm is rank {each.pmix_rank} of PMIx"
    worlds = {each.pmix_namespace for each in answers}
    if len(worlds) > 1:
        yield f"the ranks are in {len(worlds)} MPI worlds instead of one"
    for tasks in sorted({each.tasks or 0 for each in answers} - {size}):
        which = [each.rank for each in answers if (each.tasks or 0) == tasks]
        yield f"a world size of {size} is planned, {_ranks(which)} see {tasks}"


def wrong_variables(rehearsal: Rehearsal) -> Wrong:
    """Return the planned variables that did not arrive, or that something in the image replaced."""
    seen: dict[tuple[str, str | None], list[RankAnswer]] = {}
    for each in rehearsal.answers:
        for name, planned in rehearsal.spec.variables.items():
            value = each.variables.get(name)
            if value != planned:
                seen.setdefault((name, value), []).append(each)
    sentences = []
    for (name, value), who in seen.items():
        what = "is not set" if value is None else f"is {value!r}"
        planned = rehearsal.spec.variables[name]
        ranks = _ranks([each.rank for each in who])
        sentences.append(f"{name} {what} in the container of {ranks}, planned is {planned!r}")
    hosts = {each.host for each in rehearsal.answers}
    wrong = {each.host for who in seen.values() for each in who}
    return Wrong(tuple(sentences), everywhere=wrong == hosts)


def injected_words(rehearsal: Rehearsal) -> tuple[str, ...]:
    """Return variables that nobody planned and that steer transports or proxies, each once."""
    seen: dict[tuple[str, str], set[str]] = {}
    for each in rehearsal.answers:
        for name, value in each.injected.items():
            seen.setdefault((name, value), set()).add(each.host)
    everywhere = len({each.host for each in rehearsal.answers})
    return tuple(
        f"{name}={value[:SHOWN]}"
        + ("" if len(hosts) == everywhere else f" on {fold(sorted(hosts))}")
        for (name, value), hosts in sorted(seen.items())
    )


def _only_tcp(value: str) -> bool:
    return set(value.lower().split(",")) <= {"tcp", "self", "sm", "posix", "sysv", "cma"}


HARMFUL: Mapping[str, tuple[Callable[[str], bool], str]] = {
    "UCX_TLS": (_only_tcp, "KV caches would travel over TCP (FAULTS 29)"),
    "NCCL_MNNVL_ENABLE": (lambda value: value == "0", "NVLink between nodes is off (FAULTS 28)"),
    "NCCL_CUMEM_ENABLE": (lambda value: value == "0", "NVLink between nodes is off (FAULTS 28)"),
}
"""Variables that make a deployment slow or break it, if nobody has planned them."""


def harmful_variables(rehearsal: Rehearsal) -> Iterator[str]:
    """Yield injected variables that are known to spoil a deployment, with what they do."""
    for name, (spoils, why) in HARMFUL.items():
        hosts: dict[str, set[str]] = {}
        for each in rehearsal.answers:
            if name in each.injected and spoils(each.injected[name]):
                hosts.setdefault(each.injected[name], set()).add(each.host)
        for value, where in hosts.items():
            yield f"{name}={value} in the containers of {fold(sorted(where))}: {why}"


def wrong_paths(rehearsal: Rehearsal) -> Wrong:
    """Return the paths of the plan that cannot be used inside the container."""
    return _by_node(
        rehearsal,
        lambda each: [f"{path}: {why}" for path, why in (each.paths or {}).items() if why],
    )


def wrong_gpus(rehearsal: Rehearsal, baseline: Snapshot) -> Wrong:
    """Return nodes whose container does not show the GPUs and the IMEX channel that they have."""

    def look(each: RankAnswer) -> list[str]:
        node = baseline.nodes[each.host]  # every rank is on a planned node: that was asked first
        outside = {gpu.uuid for gpu in node.gpus or ()}
        found = []
        if each.gpu_devices is not None:
            if each.gpu_devices < len(outside):
                found.append(f"{each.gpu_devices} of the {len(outside)} GPUs have a device in /dev")
        elif each.gpus is None:
            found.append(f"nvidia-smi in the container: {each.gpus_said}")
        elif set(each.gpus) != outside:
            count = len(outside & set(each.gpus))
            found.append(f"{count} of the {len(outside)} GPUs are visible in the container")
        if node.imex_channels and not each.imex_channels:
            found.append("the container has no channel in /dev/nvidia-caps-imex-channels")
        return found

    return _by_node(rehearsal, look)


def wrong_model(rehearsal: Rehearsal) -> Wrong:
    """Return what is missing, unreadable or cut short of the model's files."""
    problems: dict[str, list[str]] = {}
    for each in rehearsal.answers:
        problems.setdefault(each.host, []).extend(each.model_problems)
    return _grouped({host: list(dict.fromkeys(found)) for host, found in problems.items()})


def _by_node(rehearsal: Rehearsal, look: Callable[[RankAnswer], list[str]]) -> Wrong:
    return _grouped({each.host: look(each) for each in rehearsal.first_ranks})


def _grouped(found: Mapping[str, list[str]]) -> Wrong:
    """Say each sentence once, with its nodes."""
    hosts: dict[str, list[str]] = {}
    for host, sentences in found.items():
        for sentence in sentences:
            hosts.setdefault(sentence, []).append(host)
    everywhere = all(len(each) == len(found) for each in hosts.values())
    told = tuple(f"{fold(sorted(each))}: {sentence}" for sentence, each in hosts.items())
    return Wrong(told, everywhere)


def _ranks(ranks: list[int] | list[int | None]) -> str:
    known = sorted(rank for rank in ranks if rank is not None)
    if not known:
        return "a rank without a number"
    runs: list[list[int]] = []
    for rank in known:
        if runs and rank == runs[-1][-1] + 1:
            runs[-1].append(rank)
        else:
            runs.append([rank])
    words = [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
    return f"rank{'' if len(known) == 1 else 's'} {', '.join(words)}"
