"""What the watch over a deployment costs: ``python -m benchmarks.watch_cost``.

Another process plays 32 ranks of two workers that log 100 lines a second each, and a server that
answers what the pulses ask. The table has the CPU time of this process, in percent of a core, while
the deployment serves (the watch alone) and while it loads (the watch, and the loop that waits). The
exit code is 1 when a figure is above its limit, or when the watch missed what a rank said at the
end: a watch that sleeps costs nothing.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path

from harness.deadline import Deadline, wait_until
from harness.diagnosis.facts import Fact, Layer, Place
from harness.diagnosis.listener import StepListener
from harness.dynamo.discovery import Discovery
from harness.dynamo.pulses import Suspicion, all_registered, requests_answered, service_answers
from harness.dynamo.worker import Worker
from harness.http import Http
from harness.slurm.srun import StepSpec
from harness.slurm.step import Step
from harness.topology import Role, WorkerPlacement
from harness.traffic import Traffic
from harness.watching.pulse import Pulse
from harness.watching.watch import Watch
from harness.watching.watched import Watched

WORKERS, RANKS, LINES_A_SECOND = 2, 16, 100
SECONDS = 20.0
LIMIT_PERCENT = 5.0
TICK_S = 0.1
HEALTHY = (
    "{rank}: 2026-11-25T20:10:41.{micro:06d}Z  INFO dynamo_llm::kv_router::indexer: worker {rank} "
    "took request {micro}: 55 prompt tokens, 12 ms, queue length 4\n"
)
FATAL = "3: RuntimeError: CUDA error: an illegal memory access was encountered\n"


class Server(BaseHTTPRequestHandler):
    """Answers everything with an empty object, as an etcd without keys and a frontend do."""

    def do_GET(self) -> None:
        """Answer."""
        self._answer()

    def do_POST(self) -> None:
        """Answer, the body read."""
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self._answer()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing."""

    def _answer(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")


def main() -> int:
    """Measure both, print the table, and return 1 when a limit is broken."""
    print(f"{os.cpu_count()} cores; {WORKERS * RANKS} ranks, {LINES_A_SECOND} lines a second each")
    costs = {"serving": _measure(loading=False), "loading": _measure(loading=True)}
    for name, percent in costs.items():
        print(f"{name:8} {percent:5.2f} % of a core (limit {LIMIT_PERCENT:g} %)")
    return 1 if max(costs.values()) > LIMIT_PERCENT else 0


def _measure(*, loading: bool) -> float:
    """Return the CPU time of the watch in percent of a core; raise if it missed the last line."""
    alarms: list[Fact] = []
    with tempfile.TemporaryDirectory() as folder, _ranks(Path(folder)) as (url, end):
        workers = [_worker(Path(folder), number) for number in range(WORKERS)]
        listeners = {worker.name: _watched(worker) for worker in workers}
        watch = Watch(lambda: list(listeners.values()), on_alarm=alarms.append)
        began_s, began_cpu_s = time.monotonic(), time.process_time()
        watch.start()
        for pulse in _pulses(url, watch.raise_alarm):
            watch.add(pulse)
        _wait(workers if loading else [], SECONDS)
        percent = 100 * (time.process_time() - began_cpu_s) / (time.monotonic() - began_s)
        end.send("fail")
        heard = wait_until(lambda: bool(alarms), Deadline.after(5.0))
        watch.stop()
        for worker in workers:
            worker.step.end_srun(0.1)
    if not heard:
        raise SystemExit("the watch missed a fatal line")
    return percent


def _wait(workers: list[Worker], seconds: float) -> None:
    """Wait as a deployment waits while it loads, or as a test that has sent its request."""
    deadline = Deadline.after(seconds)

    def look() -> None:
        for worker in workers:
            worker.observe()
            worker.step.check_alive()

    if workers:
        wait_until(lambda: False, deadline, watch=look)
    else:
        time.sleep(seconds)


def _worker(folder: Path, number: int) -> Worker:
    nodes = tuple(f"node{number * 4 + each}" for each in range(1, 5))
    placement = WorkerPlacement(f"agg-{number}", Role.AGGREGATED, number, "a.yaml", nodes, 4)
    spec = StepSpec(f"worker-{number}", "1", nodes, 4, ("true",))
    process = subprocess.Popen(["sleep", "600"])
    err, out = folder / f"{number}.err.log", folder / f"{number}.out.log"
    return Worker(placement, Step(spec, process, out=out, err=err), eplb_prefix="")


def _watched(worker: Worker) -> Watched:
    step = worker.step
    return Watched(step, StepListener(step.name, (step.err, step.out), Layer.ENGINE), Layer.ENGINE)


def _pulses(url: str, alarm: Callable[[Fact], None]) -> Iterator[Pulse]:
    http = Http(url, server="the frontend")
    asks = {
        "etcd": service_answers(http, "/version", Place()),
        "frontend": service_answers(http, "/health", Place()),
        "registered": all_registered(Discovery(http, "v1/instances/"), tuple),
        "canary": requests_answered(
            http, "m", live=tuple, traffic=Traffic(), limit_s=9.0, suspicion=Suspicion()
        ),
    }
    for name, ask in asks.items():
        yield Pulse(name, ask, every_s=1.0, limit_s=0.0, alarm=alarm)


@contextmanager
def _ranks(folder: Path) -> Iterator[tuple[str, Connection]]:
    """Play the ranks and the server in a process of their own; give its URL, and how to end it."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    player = multiprocessing.get_context("spawn").Process(target=play, args=(folder, theirs))
    player.start()
    try:
        yield ours.recv(), ours
    finally:
        player.terminate()
        player.join()


def play(folder: Path, control: Connection) -> None:
    """Write the logs at their pace; on request write a line that no rank survives."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    control.send(f"http://127.0.0.1:{server.server_port}")
    server.timeout = TICK_S
    logs = [(folder / f"{number}.err.log").open("a") for number in range(WORKERS)]
    lines = int(LINES_A_SECOND * TICK_S)
    while True:
        begun_s = time.monotonic()
        for log in logs:
            for rank in range(RANKS):
                log.writelines(HEALTHY.format(rank=rank, micro=n) for n in range(lines))
            log.flush()
        if control.poll():
            control.recv()
            logs[-1].write(FATAL)
        while (left_s := begun_s + TICK_S - time.monotonic()) > 0:
            server.timeout = left_s
            server.handle_request()


if __name__ == "__main__":
    sys.exit(main())
