"""Pure: who or what holds GPU memory that should be free, in one sentence, as exactly as is known.

What explains it is looked for in this order: a process that nvidia-smi names; one of ours that has
the GPU's device open without being named; page cache on the NUMA node that is the GPU's memory; a
stranger that has the device open; a worker that is still alive on other nodes. The last may have
the memory imported over NVLink: it is freed only when the importer ends, and no process on its own
node shows it (openucx/ucx#11753).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.compat import StrEnum
from harness.nodes.numa import gpu_numa
from harness.nodes.question import Question
from harness.nodes.snapshot import DeviceHolder, GpuProcess, Holder
from harness.nodes.words import app_words, process_words, unread_words


class Cause(StrEnum):
    """What holds the memory."""

    NAMED = "process named by nvidia-smi"
    UNNAMED = "process with the device open, not named by nvidia-smi"
    PAGE_CACHE = "page cache on the GPU's NUMA node"
    REMOTE = "worker alive on other nodes"
    UNKNOWN = "nobody found"


@dataclass(frozen=True)
class Attribution:
    """What explains memory on one GPU; ``leak_mib`` MiB of it are not the kernel's own.

    ``words`` complete the sentence that begins with the GPU and its MiB.
    """

    cause: Cause
    words: str
    leak_mib: int


def attribute(question: Question) -> Attribution:
    """Return the most exact explanation there is."""
    above_mib, cache_mib = question.above_mib, question.cache_mib
    rest_mib = above_mib - cache_mib
    suspects, unnamed = question.suspects, question.unnamed
    # A process that is gone holds nothing; who does has the device open, if anybody is to be seen.
    apps = [app for app in suspects if not app.gone] or ([] if unnamed else suspects)
    ours = [holder for holder in unnamed if _inherited(question) or _is_ours(question, holder)]
    if apps:
        named_mib = sum(app.memory_mib or 0 for app in suspects)
        held = f"held by {' and '.join(_app(question, app) for app in apps)}{_aside(cache_mib)}"
        return Attribution(Cause.NAMED, held, min(above_mib, max(rest_mib, named_mib)))
    if ours:
        return Attribution(Cause.UNNAMED, _open(question, ours) + _aside(cache_mib), above_mib)
    if cache_mib and rest_mib <= question.tolerance_mib:
        return Attribution(Cause.PAGE_CACHE, _cache_words(question), rest_mib)
    if unnamed:
        return Attribution(Cause.UNNAMED, _open(question, unnamed) + _aside(cache_mib), rest_mib)
    if question.importers:
        return Attribution(Cause.REMOTE, _remote_words(question) + _aside(cache_mib), rest_mib)
    looked_at = "; ".join(_looked_at(question))
    return Attribution(Cause.UNKNOWN, f"nobody is found to hold it: {looked_at}", rest_mib)


def _is_ours(question: Question, holder: DeviceHolder) -> bool:
    return holder.identity in question.ours.steps


def _inherited(question: Question) -> list[GpuProcess]:
    """Return the processes of ours that are gone, and whose memory on the GPU is not."""
    return [a for a in question.suspects if a.gone and question.ours.has_pid(a.pid)]


def _app(question: Question, app: GpuProcess) -> str:
    known = question.node.holder(app.pid) if app.pid is not None else None
    return f"{app_words(app)}, {_whose(question, app.pid, known)}"


def _open(question: Question, holders: Sequence[DeviceHolder]) -> str:
    inherited = " and ".join(f"pid {app.pid}" for app in _inherited(question))
    named = (
        f"counts the memory for {inherited}, ours and gone"
        if inherited
        else "does not name it there"
    )
    return (
        f"{' and '.join(_holder(question, each) for each in holders)}, "
        f"{'has' if len(holders) == 1 else 'have'} /dev/{question.device} open, "
        f"and nvidia-smi {named}"
    )


def _holder(question: Question, holder: DeviceHolder) -> str:
    words = process_words(question.node, holder.pid)
    apart = ", in another PID namespace" if holder.other_pid_namespace else ""
    return f"{words}, {_whose(question, holder.pid, holder)}{apart}"


def _whose(question: Question, pid: int | None, known: Holder | None) -> str:
    """Say whose a process is: which rank of which step, or whose it is not."""
    ours = question.ours
    process = next((each for each in question.node.processes or () if each.pid == pid), None)
    if process is not None:
        step = ours.step_of(process)
        rank = "" if process.rank is None else f"rank {process.rank} of "
        return f"{rank}step {step}, ours" if step else f"{rank}this run, ours"
    if known is None:
        return "ours" if ours.has_pid(pid) else "not known as ours"
    if known.identity in ours.steps:
        return f"seen earlier in step {ours.steps[known.identity] or 'unknown'}, ours"
    other = known.uid != question.node.uid
    return "not known as ours and of another user" if other else "not known as ours"


def _aside(cache_mib: int) -> str:
    return f"; {cache_mib} MiB of it are page cache, not ours" if cache_mib else ""


def _cache_words(question: Question) -> str:
    numa = gpu_numa(question.node, question.gpu)
    where = f"NUMA node {numa.id}" if numa else "a NUMA node"
    return (
        f"{question.cache_mib} MiB of them are page cache that came to {where}, which has no CPUs "
        "and is this GPU's memory: the kernel's, and no leak (root frees it by "
        "/proc/sys/vm/drop_caches)"
    )


def _remote_words(question: Question) -> str:
    return (
        f"no process on {question.node.node} holds it, and workers with ranks on other nodes are "
        f"still alive: {', '.join(map(str, question.importers))}; what they have imported over "
        "NVLink is freed only when they end"
    )


def _looked_at(question: Question) -> Iterator[str]:
    node, device = question.node, f"/dev/{question.device}"
    if node.compute_apps is None:
        yield f"its processes could not be read: {node.why_unreadable('compute_apps')}"
    else:
        yield "the driver names no process that holds it"
    if node.device_holders is None:
        yield f"who has {device} open could not be read: {node.why_unreadable('processes')}"
    else:
        had = [process_words(node, each.pid) for each in question.having_it_open(node)]
        but = f" but {' and '.join(had)}, open before the run too" if had else ""
        yield f"no process is seen to have {device} open{but}{unread_words(node)}"
    yield _numa_looked_at(question)
    if question.live_steps is not None:
        yield "no worker of this run is alive elsewhere"


def _numa_looked_at(question: Question) -> str:
    if question.node.numa is None:
        return f"NUMA memory could not be read: {question.node.why_unreadable('numa')}"
    numa = gpu_numa(question.node, question.gpu)
    if numa is None:
        return "no NUMA node is known to be its memory"
    return (
        f"its memory, NUMA node {numa.id}, has {numa.page_cache_mib} MiB of page cache and "
        f"{numa.shmem_mib} MiB of shared memory"
    )
