"""Pure: what srun, squeue and scontrol print, as values. Wording holds for Slurm 21.08 to 25.05."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.slurm.nodelist import expand

_LAUNCH = re.compile(
    r"srun: launching StepId=(?P<step>[\d.]+) on host (?P<node>[^,\s]+), "
    r"(?P<count>\d+) tasks?: (?P<ranks>\S+)"
)
_TASK_END = re.compile(
    r"srun: error: (?P<node>[^:\s]+): tasks? (?P<ranks>[\d,\-\[\]]+): (?P<how>.+)"
)
_CANCELLED = re.compile(
    r"(?:STEP|JOB) (?P<step>[\d.]+) ON (?P<node>\S+) CANCELLED AT \S+(?P<why>.*?)\s*\*\*\*"
)
_EXIT_CODE = re.compile(r"Exited with exit code (\d+)")
_SHELL_DEATH = re.compile(
    r": line \d+: +\d+ (?P<how>[A-Z][a-z]+(?: [a-z]+)*)(?: \(core dumped\))?  "
)
_PYXIS = re.compile(r"pyxis: (?P<text>.*)")
_CHATTER = re.compile(r"srun: (?!error: |fatal: )")

STEPS_FORMAT = "%i|%N|%u|%S|%j"
"""What squeue is asked of a step; the name stands last because it may hold anything."""


@dataclass(frozen=True)
class Launched:
    """``srun: launching StepId=…``: the ranks that a node got."""

    step_id: str
    node: str
    ranks: tuple[int, ...]


@dataclass(frozen=True)
class TaskEnd:
    """How tasks of a node ended, by srun's word; ``signal`` is a name such as SIGKILL, or empty."""

    node: str
    ranks: tuple[int, ...]
    exit_code: int | None
    signal: str
    words: str


@dataclass(frozen=True)
class StepRow:
    """One line of ``squeue --steps``; ``started`` is the time as squeue prints it."""

    step_id: str
    name: str
    nodes: tuple[str, ...]
    user: str = ""
    started: str = ""

    @property
    def number(self) -> str:
        """The step's number within the job, ``18``, or a word such as ``interactive``."""
        return self.step_id.partition(".")[2]


def parse_launched(line: str) -> Launched | None:
    """Return the placement in one of srun's verbose lines, or ``None``."""
    found = _LAUNCH.search(line)
    if found is None:
        return None
    return Launched(found["step"], found["node"], _numbers(found["ranks"]))


def parse_task_end(line: str) -> TaskEnd | None:
    """Return how tasks ended from one of srun's error lines, or ``None``."""
    found = _TASK_END.search(line)
    if found is None:
        return None
    code, name = _how(found["how"])
    return TaskEnd(found["node"], _numbers(found["ranks"]), code, name, line.strip())


def parse_cancelled(line: str) -> str | None:
    """Return why Slurm cancelled a step (``DUE TO TIME LIMIT``; may be empty), or ``None``."""
    found = _CANCELLED.search(line)
    return None if found is None else found["why"].strip()


def own_ends(ends: Sequence[TaskEnd]) -> list[TaskEnd]:
    """Return the ends that Slurm's killing of a step (SIGTERM, then SIGKILL) does not explain."""
    return [end for end in ends if end.signal not in {"SIGTERM", "SIGKILL"}]


def parse_shell_death(line: str) -> str | None:
    """Return the signal in a shell's ``line 40:  63 Killed  python3 ...``, or ``None``.

    SIGTERM is left out: it is how a step is stopped, not why it failed.
    """
    found = _SHELL_DEATH.search(line)
    name = _how(found["how"])[1] if found else ""
    return name if name in signal.Signals.__members__ and name != "SIGTERM" else None


def parse_pyxis(line: str) -> str | None:
    """Return Pyxis's words in a line, or ``None``."""
    found = _PYXIS.search(line)
    return None if found is None else found["text"].strip()


def fault_words(stderr: str, limit: int = 2000) -> str:
    """Return what a step's stderr says of a fault: srun's errors, and all that its tasks said.

    What srun adds under ``--verbose`` (its options, each launch) is left out. A node that does not
    answer is named in the first line. Cut at ``limit`` characters.
    """
    lines = [line.strip() for line in stderr.splitlines()]
    said = [line for line in lines if line and not _CHATTER.match(line)]
    return "\n".join(said)[:limit]


def parse_steps(text: str) -> list[StepRow]:
    """Parse ``squeue --steps --noheader`` with :data:`STEPS_FORMAT`, or ``%i|%j|%N`` alone."""
    lines = [line.strip() for line in text.splitlines()]
    return [_step_row(line) for line in lines if line.partition("|")[0]]


def _step_row(line: str) -> StepRow:
    if line.count("|") < STEPS_FORMAT.count("|"):
        step_id, _, rest = line.partition("|")
        name, _, nodes = rest.rpartition("|")
        user = started = ""
    else:
        step_id, nodes, user, started, name = line.split("|", STEPS_FORMAT.count("|"))
    return StepRow(step_id, name, expand(nodes) if nodes else (), user, started)


@dataclass(frozen=True)
class JobRow:
    """What ``scontrol show job`` says of a job; ``reason`` is ``None``, TimeLimit, NodeDown, ..."""

    job_id: str
    state: str
    reason: str
    end_time: str = ""
    partition: str = ""

    @property
    def over(self) -> bool:
        """Whether the job has ended or is ending."""
        return self.state not in {"RUNNING", "CONFIGURING", "SUSPENDED", "PENDING", "RESIZING"}


def parse_job(text: str) -> JobRow | None:
    """Parse ``scontrol show job --oneliner``, or return ``None`` for anything else."""
    found: dict[str, str] = dict(re.findall(r"\b(\w+)=(\S*)", text))
    if "JobId" not in found or "JobState" not in found:
        return None
    return JobRow(
        found["JobId"],
        found["JobState"],
        found.get("Reason", ""),
        found.get("EndTime", ""),
        found.get("Partition", ""),
    )


def parse_config_seconds(text: str, key: str) -> int | None:
    """Return a time of ``scontrol show config`` (``KillWait = 30 sec``) in seconds, or ``None``."""
    found = re.search(rf"^{re.escape(key)}\s*=\s*(\d+)\s*sec", text, flags=re.MULTILINE)
    return int(found[1]) if found else None


def parse_config_word(text: str, key: str) -> str:
    """Return a value of ``scontrol show config`` (``ClusterName = alps``), or ``""``."""
    found = re.search(rf"^{re.escape(key)}\s*=\s*(\S.*?)\s*$", text, flags=re.MULTILINE)
    return found[1] if found else ""


def parse_mpi_types(text: str) -> tuple[str, ...]:
    """Return the plugins that ``srun --mpi=list`` names: a word a line, versions after a colon."""
    found: list[str] = []
    for line in text.splitlines():
        head, _, rest = line.partition(":")
        found += rest.split(",") if rest else [] if " " in head.strip() else [head]
    words = [word.removeprefix("srun:").strip() for word in found]
    return tuple(dict.fromkeys(word for word in words if re.fullmatch(r"\w+", word)))


def parse_time_left(text: str) -> float | None:
    """Return squeue's ``%L`` (``1-02:03:04``, ``9:59``) in seconds; ``None``: UNLIMITED, NOT_SET.

    INVALID, for a job that is over its time, is 0.
    """
    word = text.strip()
    if word == "INVALID":
        return 0.0
    if not re.fullmatch(r"(?:\d+-)?[\d:]+", word):
        return None
    days, _, clock = word.rpartition("-")
    seconds = 0
    for part in clock.split(":"):
        seconds = 60 * seconds + int(part)
    return float(86400 * int(days or 0) + seconds)


def describe_ends(ends: Iterable[TaskEnd]) -> str:
    """Return the ends as one phrase: ``rank 9 on node3: SIGKILL (exit code 137)``."""
    return "; ".join(_describe(end) for end in ends)


def _describe(end: TaskEnd) -> str:
    ranks = (
        f"rank {end.ranks[0]}" if len(end.ranks) == 1 else f"ranks {', '.join(map(str, end.ranks))}"
    )
    if end.signal and end.exit_code is not None:
        how = f"{end.signal} (exit code {end.exit_code})"
    else:
        how = end.signal or f"exit code {end.exit_code}"
    return f"{ranks} on {end.node}: {how}"


def _how(words: str) -> tuple[int | None, str]:
    exited = _EXIT_CODE.search(words)
    if exited:
        code = int(exited[1])
        return code, _signal_name(code - 128) if code > 128 else ""
    word = words.partition("(")[0].strip()
    for number in signal.Signals:
        if signal.strsignal(number) == word:
            return None, number.name
    return None, word


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return ""


def _numbers(text: str) -> tuple[int, ...]:
    numbers: list[int] = []
    for part in text.strip("[]").split(","):
        first, _, last = part.partition("-")
        numbers.extend(range(int(first), int(last or first) + 1))
    return tuple(numbers)
