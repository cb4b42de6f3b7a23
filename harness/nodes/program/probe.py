"""The node probe: what one node holds, as JSON on standard output.

With the modules beside it, it is sent to every node of a job as one text, through a single step
outside the container (:mod:`harness.sent`)::

    srun ... --ntasks-per-node=1 python3 -I -S - --job 4711 --ports 8000,2379 < TEXT

It needs nothing but Python 3.6 and Linux (x86-64 or aarch64), and changes nothing. It prints one
JSON object; longer than 1000 bytes it comes in parts, one a line, because slurmstepd forwards
output in messages of 1024 bytes, and longer lines of several tasks are cut and mixed.

What cannot be read is reported as unreadable (null, and a reason under "errors"), never as absent.
Children do the reading: nvidia-smi, and who reads a process that hangs in the kernel, can hang as
well, and the answer must come before the deadline.
"""
# ruff: noqa: PTH208

import argparse
import contextlib
import functools
import json
import os
import select
import signal
import sys
import time
from typing import Callable, List

from harness.nodes.program.document import Document, Emit, read_bytes, unreadable
from harness.nodes.program.driver import (
    CONDITION_QUERIES,
    QUERIES,
    query_driver,
    read_cuda_of_driver,
)
from harness.nodes.program.processes import Scanner
from harness.nodes.program.software import read_container_runtime
from harness.nodes.program.surroundings import Surroundings, read_folders

SCHEMA = 1
LINE_BYTES = 1000
PART_CHARACTERS = 440  # JSON inside JSON at most doubles in length; the rest is a part's frame


class Reader:
    """A child process that does some reading and writes JSON lines to a pipe."""

    def __init__(self, what: str, work: Callable[[Emit], None]) -> None:
        self.what = what
        self.pipe, writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self.read(writer, work)
        os.setpgid(self.pid, self.pid)  # so that the whole group can be ended
        os.close(writer)

    @staticmethod
    def read(writer: int, work: Callable[[Emit], None]) -> None:
        """Do the work, say `{}` and end, whatever happens: the parent's code must not run twice."""
        try:
            os.setpgid(0, 0)
            with os.fdopen(writer, "w") as pipe:
                work(lambda part: print(json.dumps(part), file=pipe, flush=True))
                print("{}", file=pipe)
        except Exception:  # noqa: BLE001 - shown here, and the missing `{}` tells the parent
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(0)

    def parts(self, ends_s: float) -> List[Document]:
        """Return what the child says until its end or the deadline; then it is killed."""
        came, piece = b"", b"nothing yet"
        while piece and select.select([self.pipe], [], [], max(0, ends_s - time.monotonic()))[0]:
            piece = os.read(self.pipe, 65536)
            came += piece
        parts = [json.loads(line.decode()) for line in came.split(b"\n")[:-1]]
        if parts[-1:] != [{}]:
            why = f"not done at the deadline: {self.whereabouts()}" if piece else "the reader broke"
            parts.append(unreadable(self.what, why))
            os.killpg(self.pid, signal.SIGKILL)  # not waited for: it may hang in the kernel
        return parts

    def whereabouts(self) -> str:
        """Return what the child is reading: of two files open in /proc, the later is the one."""
        folder, links = f"/proc/{self.pid}/fd/", []  # type: str, List[str]
        with contextlib.suppress(OSError):  # it may be slow and no more, and go on meanwhile
            links = [os.readlink(folder + name) for name in sorted(os.listdir(folder), key=int)]
        return ([link for link in links if link.startswith("/proc/")] or [self.what])[-1]


def probe(options: argparse.Namespace) -> Document:
    """Return the whole document, at the latest when the deadline has come."""
    started_s = time.monotonic()
    smi_ends_s = started_s + min(options.nvidia_smi_timeout_s, options.deadline_s)
    ports = {int(port) for port in options.ports.split(",") if port}
    asked = list(QUERIES) + (list(CONDITION_QUERIES) if options.condition else [])
    queries = [Reader(what, functools.partial(query_driver, what)) for what in asked]
    others = [Reader("processes", Scanner(options.job, ports, options.mark).run)]
    if options.condition:
        queries.append(Reader("cuda_of_driver", read_cuda_of_driver))
        others.append(Reader("surroundings", Surroundings().run))
        runtime = functools.partial(read_container_runtime, options.plugstack)
        others.append(Reader("runtime", functools.partial(runtime, options.plugin_folders)))
    if options.folder:
        others.append(Reader("folders", functools.partial(read_folders, options.folder)))
    parts = []  # type: List[Document]
    for other in others:
        parts += other.parts(started_s + options.deadline_s)
    for query in queries:
        parts += query.parts(smi_ends_s)
    document = {
        "schema": SCHEMA,
        "node": os.environ.get("SLURMD_NODENAME") or os.uname().nodename,
        "boot_id": read_bytes("/proc/sys/kernel/random/boot_id").decode().strip(),
        "time_s": round(time.time(), 3),
        "python": ".".join(str(part) for part in sys.version_info[:3]),
        "uid": os.getuid(),
        "errors": [error for part in parts for error in part.pop("errors", [])],
    }  # type: Document
    for part in parts:
        document.update(part)
    return dict(document, elapsed_ms=round((time.monotonic() - started_s) * 1e3, 1))


def lines_of(document: Document) -> List[str]:
    """Return a document as one JSON line, or as parts that are each shorter than LINE_BYTES."""
    text = json.dumps(document, separators=(",", ":"))
    if len(text) < LINE_BYTES:
        return [text]
    pieces = [text[at : at + PART_CHARACTERS] for at in range(0, len(text), PART_CHARACTERS)]
    frame = {"node": document["node"], "parts": len(pieces)}
    return [json.dumps(dict(frame, part=at, text=piece)) for at, piece in enumerate(pieces)]


def main() -> None:
    """Read the options, print the lines."""
    parser = argparse.ArgumentParser(description="Report what this node holds, as JSON lines.")
    parser.add_argument("--job", default="", help="Slurm job whose processes are listed")
    parser.add_argument("--ports", default="", help="TCP ports to look for, comma-separated")
    parser.add_argument("--mark", default="", help="NAME=VALUE in the environment: the job's, too")
    parser.add_argument("--condition", action="store_true", help="also what the node is like")
    parser.add_argument("--folder", action="append", default=[], help="tell the room in a folder")
    parser.add_argument("--plugstack", default="", help="with --condition: Slurm's plugstack.conf")
    parser.add_argument("--plugin-folders", default="", help="Slurm's PluginDir")
    parser.add_argument("--deadline-s", type=float, default=10.0)
    parser.add_argument("--nvidia-smi-timeout-s", type=float, default=8.0)
    print("\n".join(lines_of(probe(parser.parse_args()))))
