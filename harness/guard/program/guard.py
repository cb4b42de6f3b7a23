"""The node guard: ends what one run has on one node once the run's pytest is gone.

One task of it runs on every node of a run, outside the container, in a step of its own. The text of
this package comes as the first line of standard input (JSON), which pytest alone holds open::

    srun ... python3 -I -S -c 'import json; exec(json.loads(...readline()))' --run ID ...

After that line the guard waits. What it hears, and what that means:

    the line `done`      the run ended in order: exit at once
    end of the input     pytest is gone: act
    SIGTERM              Slurm ends the job (walltime, scancel, allocation given back): act, in less
                         than KillWait, after which Slurm sends SIGKILL
    SIGURG               from the guard of the head node, through Slurm: act; Slurm has asked the
                         steps to stop
    SIGWINCH             from there too: Slurm lists no step of the run any more
    the owner is gone    on pytest's own node, where srun may have died with pytest, unable to tell

To act is to let the run's processes on this node drain, to end those that are left at the end of
the budget, and to remove the run's files in /dev/shm that nobody holds. The guard of the head node
also has Slurm stop the run's steps, workers first, as pytest would have. Where Slurm does not
answer, every node asks its own processes to stop.

The run's processes are those with its mark in their environment, and their children. A process is
ended by its pid and start time, never by its name. It needs Python 3.6 and Linux, no package.
"""
# pathlib takes as long to import as all the rest of the program together.
# ruff: noqa: PTH118, PTH123

import argparse
import contextlib
import json
import os
import select
import signal
import threading
import time
from typing import Any, Dict, List, Optional

from harness.guard.program.processes import (
    Process,
    is_alive,
    run_processes,
    send,
    ticks_ago,
    watched_owner,
)
from harness.guard.program.sampler import sample_beside
from harness.guard.program.shm import held_of, remove_files, run_files
from harness.guard.program.steps import SERVICES, SERVICES_SIGNAL, Steps

# Between guards; both mean nothing to a process that has not begun to listen, or never does.
ASKED, STEPS_GONE = signal.SIGURG, signal.SIGWINCH
POLL_S = 0.25
SLURM_POLL_S = 1.0
TOLD_S = 20.0  # longer than a call, or a third of the budget: without word, Slurm does not answer
SERVICES_S = 3.0  # of the budget, for the services when the workers do not end
YOUNG_S = 2.0  # what began less than this before it was asked may have been asked in vain
AGAIN_S = 2.0  # until that is asked once more
YOUNG_END_S = 3.0  # then for it to end: it has served nobody, and has nothing to drain
GRACE_S = 1.0  # from TERM to KILL at the end of the budget
END_S = 4.0  # for the killed to be gone
MARGIN_S = 7.5  # before Slurm's own SIGKILL
SHOWN = 5  # processes or files in one line of the log, which slurmstepd cuts at 1024 bytes


class Guard:
    """The guard of one node."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.run = options, options.run
        self.node = os.environ.get("SLURMD_NODENAME") or os.uname().nodename
        self.owner = watched_owner(options.owner)
        self.asked = self.steps_gone = False  # what is known of Slurm's doing
        self.input_open = not options.now
        self.waker, self.alarm = os.pipe()
        self.ends_s = float("inf")
        self.again_s = float("inf")
        self.lines: List[str] = []
        self.known: List[Process] = []

    def listen_for_signals(self) -> None:
        """Turn signals into bytes on a pipe: a wait ends whenever one comes."""
        os.set_blocking(self.alarm, False)
        signal.set_wakeup_fd(self.alarm)
        for number in (signal.SIGTERM, ASKED, STEPS_GONE):
            signal.signal(number, lambda *_: None)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, signal.SIG_IGN)

    def watch(self) -> str:
        """Wait; return why to act, or nothing when the run has ended in order."""
        came = b""
        while not self.options.now:
            ready = self.wait(1.0 if self.owner else None)
            for number in self.signals(ready):
                if number in {signal.SIGTERM, ASKED}:
                    self.take(number)
                    return signal.Signals(number).name
            if 0 in ready:
                piece = self.read_input()
                came += piece
                if b"done" in came.split():
                    return ""
                if not piece:
                    return "end of input"
            if self.owner and not is_alive(*self.owner):
                return f"pid {self.owner[0]} is gone"
        return "asked to"

    def wait(self, longest_s: Optional[float]) -> List[int]:
        """Wait for input or a signal."""
        watched = [self.waker] + ([0] if self.input_open else [])
        return select.select(watched, [], [], longest_s)[0]

    def signals(self, ready: List[int]) -> bytes:
        """Return the numbers of the signals that came."""
        return os.read(self.waker, 256) if self.waker in ready else b""

    def read_input(self) -> bytes:
        """Return what came on standard input; nothing at its end."""
        try:
            piece = os.read(0, 4096)
        except OSError:
            piece = b""
        self.input_open = bool(piece)
        return piece

    def take(self, number: int) -> None:
        """Note what a signal tells."""
        now = time.monotonic()
        if number == signal.SIGTERM:  # Slurm has sent it to all steps, and starts no new ones
            wait = self.options.kill_wait_s
            self.ends_s = min(self.ends_s, now + wait - min(MARGIN_S, wait / 2))
            self.asked = self.steps_gone = True
        self.asked = self.asked or number in {ASKED, STEPS_GONE}
        self.steps_gone = self.steps_gone or number == STEPS_GONE

    def act(self, cause: str) -> int:
        """Clean this node; return 0 when nothing of the run is left on it."""
        started_s = time.monotonic()
        self.ends_s = min(self.ends_s, started_s + self.options.drain_s)
        told_by_s = started_s + min(TOLD_S, self.options.drain_s / 3)
        self.say("acting", cause=cause, budget_s=round(self.ends_s - started_s, 1))
        # SIGTERM: Slurm has asked all steps already, and a second time might cut a drain short.
        if self.options.head == self.node and cause != "SIGTERM":
            threading.Thread(target=self.stop_steps, daemon=True).start()
        self.input_open = False  # what was begun is brought to its end
        quiet = 0
        while time.monotonic() < self.ends_s and quiet < 2:
            for number in self.signals(self.wait(POLL_S)):
                self.take(number)
            there = self.look()
            quiet = quiet + 1 if self.steps_gone and not there else 0
            self.ask_young(there)
            if not self.asked and time.monotonic() > told_by_s:
                self.ask_here(there)
        killed = self.end_rest()
        removed, kept = remove_files(self.run)
        left = self.look()
        self.say("ended", after_s=round(time.monotonic() - started_s, 1), killed=len(killed))
        self.say("files", removed=len(removed), some=removed[:SHOWN], left=kept[:SHOWN])
        self.say("left", processes=[each.cmdline for each in left[:SHOWN]], files=len(kept))
        return 1 if left or kept else 0

    def look(self) -> List[Process]:
        """Return the run's processes that are there now."""
        self.known = run_processes(self.run, self.known)
        return self.known

    def ask_here(self, there: List[Process]) -> None:
        """Do what Slurm would: ask the workers' tasks on this node to stop."""
        self.asked = True
        workers = [each for each in there if each.task and not each.task.endswith(SERVICES)]
        asked = [each.pid for each in workers if each.top and send(each, signal.SIGTERM)]
        self.say("Slurm does not answer: asked the tasks of this node", pids=asked[:SHOWN])

    def ask_young(self, there: List[Process]) -> None:
        """Ask the tasks that had only just begun once more, a moment after they were asked.

        A signal that comes before a task has become its program is lost, or ends a leader that the
        other ranks then wait for.
        """
        now_s = time.monotonic()
        if self.asked and self.again_s == float("inf"):
            self.again_s = now_s + AGAIN_S
        if now_s < self.again_s:
            return
        self.again_s = self.ends_s + END_S  # once
        since = ticks_ago(AGAIN_S + YOUNG_S)
        young = [each for each in there if each.task and each.top and each.start > since]
        workers = [each for each in young if not each.task.endswith(SERVICES)]
        asked = [each.pid for each in workers if send(each, signal.SIGTERM)]
        if asked:
            self.say("asked once more what had only just begun", pids=asked[:SHOWN])
        all_workers = [each for each in there if each.task and not each.task.endswith(SERVICES)]
        if asked and all(each.start > since for each in all_workers):
            self.ends_s = min(self.ends_s, now_s + YOUNG_END_S)

    def end_rest(self) -> List[Process]:
        """End what is left of the run: TERM, a moment later KILL; return what had to be killed."""
        began_s = time.monotonic()
        there = self.look()
        for process in there:
            if process.top:
                send(process, signal.SIGTERM)
        killed: Dict[int, Process] = {}
        while there and time.monotonic() < began_s + END_S:
            self.wait(POLL_S / 2)
            there = self.look()
            if time.monotonic() > began_s + GRACE_S:
                killed.update({each.pid: each for each in there if send(each, signal.SIGKILL)})
        for process in list(killed.values())[:SHOWN]:
            self.say("killed", pid=process.pid, step=process.task, cmdline=process.cmdline)
        return list(killed.values())

    def stop_steps(self) -> None:
        """Have Slurm stop the run's steps: the workers, then the services; the head node's part."""
        # SIGTERM for this step reaches what it starts, too, where Slurm knows no cgroups.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, ASKED, STEPS_GONE})
        steps, gone, told = Steps(self.options), 0, 0
        while gone < 2:
            now_s = time.monotonic()
            try:
                listed = steps.listed()
            except OSError as problem:
                self.say("Slurm says no", why=str(problem)[:300])
                time.sleep(SLURM_POLL_S * 2)
                continue
            workers = [step for step, name in listed.items() if not name.endswith(SERVICES)]
            if now_s > self.ends_s:
                steps.signal("KILL", *listed)
            elif now_s > self.ends_s - SERVICES_S:
                steps.signal("KILL", *workers)
            if workers:
                self.ask(steps, "TERM", workers)
            else:
                self.ask(steps, SERVICES_SIGNAL, list(listed))
            if told < 3:  # a guard that has not begun to listen misses the first
                self.tell(steps, ASKED)
                self.asked, told = True, told + 1
            gone = gone + 1 if not listed and not self.starting() else 0
            time.sleep(SLURM_POLL_S)
        self.steps_gone = True
        self.tell(steps, STEPS_GONE)

    def ask(self, steps: Steps, name: str, these: List[str]) -> None:
        """Ask steps to stop, each once."""
        new = [step for step in these if step not in steps.asked]
        if new:
            self.say("asked Slurm to stop", steps=new[: 4 * SHOWN], signal=name)
            steps.signal(name, *new)
            steps.asked.update(new)

    @staticmethod
    def tell(steps: Steps, what: int) -> None:
        """Tell the guards of the other nodes."""
        steps.signal(str(int(what)), steps.own)

    def starting(self) -> bool:
        """Whether a process of the run that is no task is here: a program that starts a step."""
        return any(not process.task for process in run_processes(self.run))

    def say(self, what: str, **facts: Any) -> None:
        """Write one line about what was done; nobody may be there to read it."""
        line = json.dumps(dict(facts, node=self.node, at=round(time.time(), 3), said=what))
        self.lines.append(line + "\n")
        with contextlib.suppress(OSError):
            os.write(1, self.lines[-1].encode())

    def keep_lines(self) -> None:
        """Write the lines to the run directory too: srun may be dead, who would have kept them.

        This comes last and ends in any case: the file system may hang.
        """
        if not self.options.log_folder:
            return
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(2)
        with contextlib.suppress(OSError):
            path = os.path.join(self.options.log_folder, f"guard-{self.node}.jsonl")
            with open(path, "a") as file:
                file.writelines(self.lines)


def look(options: argparse.Namespace) -> None:
    """Print what runs have on this node, a JSON line each, and a last line that says so."""
    node = os.environ.get("SLURMD_NODENAME") or os.uname().nodename
    names = run_files(options.run)
    held = held_of(names)
    found = [dict(each._asdict(), kind="process") for each in run_processes(options.run)]
    for name, run in names.items():
        found += [{"kind": "file", "run": run, "name": name, "held": name in held}]
    for owner in options.owner.split(","):
        found += [{"kind": "owner", "owner": owner}] if watched_owner(owner) else []
    for each in [*found, {"kind": "end"}]:
        print(json.dumps(dict(each, node=node)))


def main() -> None:
    """Read the options; guard, or only look."""
    parser = argparse.ArgumentParser(description="End what a run has on this node.")
    parser.add_argument("--run", default="", help="run id")
    parser.add_argument("--job", default="", help="Slurm job of the steps")
    parser.add_argument("--head", default="", help="node whose guard speaks to Slurm")
    parser.add_argument("--owner", default="", help="HOST:PID:START of pytest")
    parser.add_argument("--drain-s", type=float, default=120.0)
    parser.add_argument("--kill-wait-s", type=float, default=30.0)
    parser.add_argument("--squeue", default="")
    parser.add_argument("--scancel", default="")
    parser.add_argument("--log-folder", default="")
    parser.add_argument("--memory-folder", default="", help="for samples of GPU memory")
    parser.add_argument("--memory-every-s", type=float, default=5.0)
    parser.add_argument("--now", action="store_true", help="act at once")
    parser.add_argument(
        "--look", action="store_true", help="list what is there, and change nothing"
    )
    options = parser.parse_args()
    if options.look:
        look(options)
        return
    guard = Guard(options)
    guard.listen_for_signals()
    if options.memory_folder:
        sample_beside(options.memory_folder, guard.node, options.memory_every_s)
    cause = guard.watch()
    code = guard.act(cause) if cause else 0
    if guard.lines:
        guard.keep_lines()
    os._exit(code)  # a thread may hang in a call of Slurm's, or in the driver
