"""How faults are provoked: each function makes an ``inject`` of what it is told."""

from __future__ import annotations

import signal
from collections.abc import Sequence

from testbed.cluster.errors import TestbedError
from testbed.cluster.paths import PROJECT_ROOT
from testbed.cluster.shape import LOGIN_NAME
from testbed.faults.bed import Bed, Undo
from testbed.faults.fault import Inject

ENGINE_FOLDER = "/srv/emulated-trtllm"
"""Where the emulated engine looks for what it is told (testbed/engine/README.md)."""

RANK = "tensorrt_llm.llmapi.mgmn_"
LEADER = "python3 -m dynamo.trtllm"
"""Words in the command line of an MPI rank, and of Dynamo's process beside rank 0."""


def on_node(host: str, *command: str, undo: Sequence[str] = ()) -> Inject:
    """Run a command on a host, and another to take it away."""

    def inject(bed: Bed) -> list[Undo]:
        bed.on(host, *command)
        return [Undo(host, tuple(undo))] if undo else []

    return inject


def signal_to(
    number: signal.Signals, words: str, *, node: str = "", rank: int | None = None
) -> Inject:
    """Send a signal to the first process whose command line begins with the words.

    Those of a Python module may stand after ``python3 -m``.
    """
    return lambda bed: bed.signal(bed.one(words, node=node, rank=rank), number)


def kill(words: str, *, node: str = "", rank: int | None = None) -> Inject:
    """SIGKILL."""
    return signal_to(signal.SIGKILL, words, node=node, rank=rank)


def freeze(words: str, *, node: str = "", rank: int | None = None) -> Inject:
    """SIGSTOP, until it is cleared."""
    return signal_to(signal.SIGSTOP, words, node=node, rank=rank)


def tell_engine(*, node: str = "all", **variables: str) -> Inject:
    """Tell the engine variables, on one node or on all; what is started later knows them too."""

    def inject(bed: Bed) -> list[Undo]:
        file = f"{ENGINE_FOLDER}/{node}.env"
        lines = "".join(f"{name}={value}\n" for name, value in variables.items())
        write = 'mkdir -p "$1" && printf %s "$3" >"$2.new" && mv "$2.new" "$2"'
        _refuse_second(bed, LOGIN_NAME, file)
        bed.on(LOGIN_NAME, "sh", "-c", write, "sh", ENGINE_FOLDER, file, lines)
        return [Undo(LOGIN_NAME, ("rm", "-f", file))]

    return inject


def _refuse_second(bed: Bed, host: str, path: str) -> None:
    """Raise TestbedError where a file of an earlier fault is there: its original would be lost."""
    if bed.on(host, "sh", "-c", 'test ! -e "$1" || echo there', "sh", path).strip():
        raise TestbedError(
            f"testbed: a fault of this kind is provoked already ({path} on {host}); "
            "`python -m testbed fault clear` first"
        )


def shared_file(path: str, text: str) -> Inject:
    """Write a file below /srv."""

    def inject(bed: Bed) -> list[Undo]:
        write = 'mkdir -p "$(dirname "$1")" && printf %s "$2" >"$1"'
        bed.on(LOGIN_NAME, "sh", "-c", write, "sh", path, text)
        return [Undo(LOGIN_NAME, ("rm", "-f", path))]

    return inject


def moved_away(host: str, path: str) -> Inject:
    """Rename a file or a folder until it is cleared."""
    return on_node(host, "mv", path, f"{path}.away", undo=("mv", f"{path}.away", path))


def hidden(host: str, path: str) -> Inject:
    """Cover a file on one host by an empty one."""
    return on_node(host, "mount", "--bind", "/dev/null", path, undo=("umount", path))


def listener(node: str, port: int) -> Inject:
    """Have somebody else's server listen on a port."""

    def inject(bed: Bed) -> list[Undo]:
        anybody = ("python3", "-I", "-m", "http.server", str(port), "--bind", bed.address(node))
        return bed.start(node, anybody, ready=f"ss -Hltn 'sport = :{port}' | grep -q .")

    return inject


_HOLD_GPU = """
import fcntl, json, os, signal, sys
index, mib = int(sys.argv[1]), int(sys.argv[2])
gpu = json.load(open("/run/emulated-gpu/gpus.json"))["gpus"][index]
held = open(f"/run/emulated-gpu/holders/stranger-{os.getpid()}.json", "w")
fcntl.flock(held, fcntl.LOCK_EX)
fact = {"gpu_uuid": gpu["uuid"], "pid": os.getpid(), "process_name": "stranger", "memory_mib": mib}
json.dump(fact, held)
held.flush()
if sys.argv[3:]:
    file = open(sys.argv[3], "w")
signal.pause()
"""


def gpu_holder(node: str, index: int, mib: int, *, file: str = "") -> Inject:
    """Have somebody else hold memory of a GPU, and a file open if one is named."""

    def inject(bed: Bed) -> list[Undo]:
        words = ["python3", "-I", "-c", _HOLD_GPU, str(index), str(mib), *([file] if file else [])]
        ready = "nvidia-smi --query-compute-apps=name --format=csv,noheader | grep -q stranger"
        removed = [Undo(node, ("rm", "-f", file))] if file else []
        return [*removed, *bed.start(node, words, ready=ready)]

    return inject


_ETCD = ("env", "ETCDCTL_API=3", "etcdctl", "--endpoints=http://127.0.0.1:2379")


def etcd(*words: str) -> Inject:
    """Run etcdctl against the deployment's etcd on the head node."""

    def inject(bed: Bed) -> list[Undo]:
        bed.on(bed.nodes[0], *_ETCD, *words)
        return []

    return inject


def together(*injects: Inject) -> Inject:
    """Provoke several things as one fault; if one cannot be, those before it are taken away."""

    def inject(bed: Bed) -> list[Undo]:
        undo: list[Undo] = []
        try:
            for each in injects:
                undo += each(bed)
        except BaseException:
            for done in reversed(undo):
                bed.undo(done)
            raise
        return undo

    return inject


def engine_config(base: str, name: str, *, old: str = "", new: str = "", more: str = "") -> Inject:
    """Write ``/srv/faults/<name>``: one of the simple engine configs with another text in it."""

    def inject(bed: Bed) -> list[Undo]:
        folder = PROJECT_ROOT / "engine_configs" / "deepseek_r1" / "simple"
        text = (folder / base).read_text(encoding="utf-8")
        if old not in text:
            raise TestbedError(f"testbed: {base} has no {old!r} any more")
        return list(shared_file(f"/srv/faults/{name}", text.replace(old, new) + more)(bed))

    return inject


_CHANGE_GPUS = """
import json, sys
path = "/run/emulated-gpu/gpus.json"
facts = json.load(open(path))
exec(sys.argv[1])
json.dump(facts, open(path, "w"), indent=1)
"""


def changed_gpus(node: str, change: str) -> Inject:
    """Change what the driver of a node tells: ``change`` is Python on the object ``facts``."""
    path = "/run/emulated-gpu/gpus.json"

    def inject(bed: Bed) -> list[Undo]:
        _refuse_second(bed, node, f"{path}.kept")
        bed.on(node, "cp", path, f"{path}.kept")
        undo = [Undo(node, ("mv", f"{path}.kept", path))]
        bed.on(node, "python3", "-I", "-c", _CHANGE_GPUS, change)
        return undo

    return inject
