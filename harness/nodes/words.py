"""How findings on a node are put into words: holders, files, long lists."""

from __future__ import annotations

from collections.abc import Sequence

from harness.nodes.snapshot import Gpu, GpuProcess, NodeSnapshot, ShmEntry


def file_words(node: NodeSnapshot, entry: ShmEntry) -> str:
    """Return a file of /dev/shm with node, name, bytes, owner and age."""
    facts = f"{entry.size_bytes} bytes, uid {entry.uid}, last written {entry.age_s:.0f} s ago"
    return f"{node.node}: /dev/shm/{entry.name} ({facts})"


def gpu_words(node: NodeSnapshot, gpu: Gpu) -> str:
    """Return a GPU with node, index and UUID."""
    return f"{node.node}: GPU {gpu.index} ({gpu.uuid})"


def process_words(node: NodeSnapshot, pid: int) -> str:
    """Return a process with all that is known of it."""
    known = node.holder(pid)
    return f"pid {pid} ({known.name}, uid {known.uid})" if known else f"pid {pid}"


def file_holder_words(node: NodeSnapshot, entry: ShmEntry) -> str:
    """Return who holds a file, or how far it is known that nobody does."""
    if entry.pids is None:
        return f"who holds it could not be read: {node.why_unreadable('processes')}"
    if entry.pids:
        return f"held by {', '.join(process_words(node, pid) for pid in entry.pids)}"
    if node.unread:
        return f"no process is seen to hold it{unread_words(node)}"
    return "no live process holds it"


def unread_words(node: NodeSnapshot) -> str:
    """Return how many processes could not be read, by user, as an aside; empty if all could."""
    users = ", ".join(f"{count} of uid {uid}" for uid, count in sorted(node.unread.items()))
    return f" ({users} could not be read)" if users else ""


def app_words(app: GpuProcess) -> str:
    """Return a process that nvidia-smi names, with its memory on one GPU."""
    memory = "unknown memory" if app.memory_mib is None else f"{app.memory_mib} MiB"
    return f"pid {'unknown' if app.pid is None else app.pid} ({app.name}, {memory})"


def in_words(findings: Sequence[object], *, at_most: int = 8) -> str:
    """Return findings as one text, a sentence a line; what is too much is counted."""
    shown = [str(finding) for finding in findings[:at_most]]
    rest = len(findings) - len(shown)
    return "\n".join([*shown, *([f"... and {rest} more like these"] if rest else [])])
