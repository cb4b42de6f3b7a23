#!/usr/bin/python3 -IS
"""nvidia-smi for emulated GPUs: the table, -L, --version, --query-*.

One file, started often and by everybody: it is put as it is at /usr/local/bin/nvidia-smi of every
node and container. Words, column layout and exit codes follow the real program (driver 580).
"""

import fcntl
import json
import os
import sys
import time

TYPE_CHECKING = False  # typing.TYPE_CHECKING without importing typing, which costs 5 ms
if TYPE_CHECKING:
    from typing import Any

    Row = dict[str, Any]

FOLDER = os.environ.get("EMULATED_GPU_FOLDER", "/run/emulated-gpu")
NO_DRIVER = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. "
    "Make sure that the latest NVIDIA driver is installed and running.\n"
)
EXIT_BAD_ARGUMENT, EXIT_NOT_FOUND, EXIT_NO_DRIVER, EXIT_UNKNOWN_OPTION = 2, 6, 9, 255
USAGE = """NVIDIA System Management Interface (emulated GPUs)

nvidia-smi --version
nvidia-smi [-i INDEX|UUID,..] [-L | --query-gpu=FIELDS | --query-compute-apps=FIELDS]
[--format=csv[,noheader][,nounits]]
"""


class Problem(Exception):
    """Something to say, and the exit code to end with."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


# --------------------------------------------------------------------------------- the node's state


def read_state() -> "Row":
    """Return the content of gpus.json; raise Problem when the node has no driver."""
    try:
        with open(os.path.join(FOLDER, "gpus.json"), encoding="utf-8") as file:
            state: Row = json.load(file)
            return state
    except (OSError, ValueError):
        raise Problem(NO_DRIVER, EXIT_NO_DRIVER) from None


def read_holders() -> "list[Row]":
    """Return what is not free: one entry per GPU and process.

    ``pid`` is None for what nobody holds and the driver has not got back yet.
    """
    folder = os.path.join(FOLDER, "holders")
    total: dict[tuple[str, int | None], Row] = {}
    for name in sorted(os.listdir(folder)):
        entry = read_holder(os.path.join(folder, name)) if name.endswith(".json") else None
        if entry is None:
            continue
        known = total.setdefault((entry["gpu_uuid"], entry["pid"]), {**entry, "memory_mib": 0})
        known["memory_mib"] += entry["memory_mib"]
    return list(total.values())


def read_holder(path: str) -> "Row | None":
    """Return one allocation; None when it is free: nobody has its lock, and the driver is done."""
    try:
        with open(path, "rb") as file:
            entry: Row = json.load(file)
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                alive = os.path.exists(f"/proc/{entry['pid']}")
                return entry if alive else {**entry, "process_name": "[Not Found]"}
    except (OSError, ValueError):  # given back while we looked
        return None
    return {**entry, "pid": None} if entry.get("back_at_s", 0) > time.monotonic() else None


def gpus_with_use(state: "Row", chosen: "str | None") -> "list[Row]":
    """Return the GPUs asked for, with ``used`` MiB and ``apps``; raise Problem for another."""
    holders = read_holders()
    gpus: list[Row] = state["gpus"]
    for gpu in gpus:
        taken = [entry for entry in holders if entry["gpu_uuid"] == gpu["uuid"]]
        gpu["used"] = sum(entry["memory_mib"] for entry in taken)
        gpu["apps"] = [entry for entry in taken if entry["pid"] is not None]
    if chosen is None:
        return gpus
    found = []
    for word in chosen.split(","):
        match = [gpu for gpu in gpus if word in (str(gpu["index"]), gpu["uuid"], gpu["bus_id"])]
        if not match:
            raise Problem("No devices were found\n", EXIT_NOT_FOUND)
        found += match
    return found


# ------------------------------------------------------------------------------------------ queries

# Field -> (unit, what it reads from a row). A row is a GPU with the node's state, or an allocation
# with both. Names in the header are the fields' own, as in the real program.
GPU_FIELDS = {
    "index": ("", "index"),
    "uuid": ("", "uuid"),
    "gpu_uuid": ("", "uuid"),
    "name": ("", "name"),
    "gpu_name": ("", "name"),
    "count": ("", "count"),
    "driver_version": ("", "driver_version"),
    "timestamp": ("", "timestamp"),
    "pci.bus_id": ("", "bus_id"),
    "gpu_bus_id": ("", "bus_id"),
    "memory.total": ("MiB", "memory_total_mib"),
    "memory.used": ("MiB", "used"),
    "memory.free": ("MiB", "free"),
    "memory.reserved": ("MiB", "zero"),
    "utilization.gpu": ("%", "zero"),
    "utilization.memory": ("%", "zero"),
    "compute_mode": ("", "compute_mode"),
    "persistence_mode": ("", "persistence_mode"),
    "pstate": ("", "pstate"),
    "compute_cap": ("", "compute_cap"),
    "mig.mode.current": ("", "mig_mode"),
    "serial": ("", "unknown"),
    "temperature.gpu": ("", "unknown"),
    "power.draw": ("W", "unknown"),
    "ecc.mode.current": ("", "ecc_mode"),
    "ecc.errors.uncorrected.volatile.total": ("", "ecc_uncorrected"),
    "remapped_rows.pending": ("", "remap_pending"),
    "remapped_rows.failure": ("", "remap_failure"),
    "gpu_recovery_action": ("", "recovery_action"),
    "fabric.state": ("", "fabric_state"),
    "fabric.status": ("", "fabric_status"),
    "fabric.cliqueId": ("", "clique_id"),
    "fabric.clusterUuid": ("", "cluster_uuid"),
}

APP_FIELDS = {
    "timestamp": ("", "timestamp"),
    "gpu_name": ("", "name"),
    "gpu_bus_id": ("", "bus_id"),
    "gpu_uuid": ("", "uuid"),
    "gpu_serial": ("", "unknown"),
    "pid": ("", "pid"),
    "process_name": ("", "process_name"),
    "name": ("", "process_name"),
    "used_gpu_memory": ("MiB", "memory_mib"),
    "used_memory": ("MiB", "memory_mib"),
}

# Fields that the header calls by another name.
SHOWN = {"used_memory": "used_gpu_memory"}

FIXED = {
    "ecc_mode": "Enabled",
    "zero": 0,
    "unknown": "[N/A]",
    "compute_mode": "Default",
    "persistence_mode": "Enabled",
    "pstate": "P0",
    "compute_cap": "10.0",
    "mig_mode": "Disabled",
}


def parse_fields(text: str, known: "dict[str, tuple[str, str]]") -> "list[str]":
    """Return the fields asked for; raise Problem for one that does not exist."""
    fields = [field.strip() for field in text.split(",") if field.strip()]
    for field in fields:
        if field not in known:
            raise Problem(f'Field "{field}" is not a valid field to query.\n\n', EXIT_BAD_ARGUMENT)
    return fields


def csv_lines(
    text: str, known: "dict[str, tuple[str, str]]", *, rows: "list[Row]", layout: str
) -> "list[str]":
    """Return the lines of a csv answer: with a header, and units of values, unless switched off."""
    fields = parse_fields(text, known)
    options = [word.strip() for word in layout.split(",")]
    if set(options) - {"csv", "noheader", "nounits"}:
        raise Problem("Format modifier is not recognized.\n", EXIT_BAD_ARGUMENT)
    units = {field: known[field][0] for field in fields}
    lines = []
    if "noheader" not in options:
        names = {field: SHOWN.get(field, field) for field in fields}
        lines.append(
            ", ".join(f"{names[f]} [{units[f]}]" if units[f] else names[f] for f in fields)
        )
    with_units = "nounits" not in options
    for row in rows:
        cells = [(row[known[field][1]], units[field]) for field in fields]
        lines.append(", ".join(cell(value, unit if with_units else "") for value, unit in cells))
    return lines


def cell(value: object, unit: str) -> str:
    """Return a value with its unit; what is not known has none."""
    return f"{value} {unit}" if unit and value != FIXED["unknown"] else str(value)


def complete(gpus: "list[Row]", state: "Row") -> "list[Row]":
    """Return a row for each GPU with everything a field may ask for."""
    now = time.strftime("%Y/%m/%d %H:%M:%S.000")
    versions = {
        "driver_version": state["driver_version"],
        "count": len(state["gpus"]),
        "timestamp": now,
    }
    return [
        {**FIXED, **versions, **gpu, "free": gpu["memory_total_mib"] - gpu["used"]} for gpu in gpus
    ]


# ---------------------------------------------------------------------------------------- the table

WIDTH = 89
RULE = "+" + "-" * WIDTH + "+"
COLUMNS = "+" + "+".join("-" * width for width in (41, 24, 22)) + "+"
HEADER = """\
| GPU  Name                 Persistence-M | Bus-Id          Disp.A | Volatile Uncorr. ECC |
| Fan  Temp   Perf          Pwr:Usage/Cap |           Memory-Usage | GPU-Util  Compute M. |
|                                         |                        |               MIG M. |
|=========================================+========================+======================|"""
PROCESSES = """\
| Processes:                                                                              |
|  GPU   GI   CI              PID   Type   Process name                        GPU Memory |
|        ID   ID                                                               Usage      |
|=========================================================================================|"""


def table(gpus: "list[Row]", state: "Row") -> "list[str]":
    """Return the table that a call without arguments prints."""
    version, cuda = state["driver_version"], state["cuda_version"]
    title = f" NVIDIA-SMI {version:<22} Driver Version: {version:<14} CUDA Version: {cuda:<9}"
    lines = [time.strftime("%a %b %d %H:%M:%S %Y"), RULE, f"|{title:<{WIDTH}}|", COLUMNS]
    lines += HEADER.splitlines()
    for gpu in gpus:
        use = f"{gpu['used']}MiB / {gpu['memory_total_mib']}MiB"
        lines += [
            f"|{gpu['index']:>4}  {gpu['name']:<28.28}   On  |   {gpu['bus_id']} Off |{0:>21} |",
            f"| N/A   N/A    P0{'N/A /  N/A':>24} |{use:>23} |      0%      Default |",
            f"|{'':41}|{'':24}|{'Disabled':>21} |",
            COLUMNS,
        ]
    return [*lines, "", RULE, *PROCESSES.splitlines(), *process_lines(gpus), RULE]


def process_lines(gpus: "list[Row]") -> "list[str]":
    """Return one line per process on each GPU."""
    lines = []
    for gpu in gpus:
        for app in gpu["apps"]:
            name = app["process_name"]
            name = name if len(name) <= 36 else "..." + name[-33:]
            use = f"{app['memory_mib']}MiB"
            lines.append(
                f"|{gpu['index']:>5}   N/A  N/A {app['pid']:>16}      C   {name:<36} {use:>8} |"
            )
    return lines or [f"|{'  No running processes found':<{WIDTH}}|"]


# -------------------------------------------------------------------------------------- the command


def parse(argv: "list[str]") -> "dict[str, str]":
    """Return options by name; raise Problem for what the program does not know."""
    options: dict[str, str] = {}
    words = list(argv)
    if "--version" in words:
        return alone(words)
    while words:
        word = words.pop(0)
        name, separator, value = word.partition("=")
        if name in ("-L", "--list-gpus"):
            options["list"] = ""
        elif name in ("-h", "--help"):
            options["help"] = ""
        elif name in ("-i", "--id", "--query-gpu", "--query-compute-apps", "--format"):
            if not separator:
                if not words:
                    raise Problem(f"Option {name} requires an argument\n", EXIT_BAD_ARGUMENT)
                value = words.pop(0)
            options["id" if name in ("-i", "--id") else name[2:]] = value
        else:
            raise Problem(
                f"ERROR: Option {word} is not recognized. Please run 'nvidia-smi -h'.\n\n",
                EXIT_UNKNOWN_OPTION,
            )
    check_together(options)
    return options


def alone(words: "list[str]") -> "dict[str, str]":
    """Return the option --version; raise Problem for what stands beside it."""
    others = [word for word in words if word != "--version"]
    if others:
        raise Problem(
            f"ERROR: Option {others[0]} is not valid for this command. "
            "Please run 'nvidia-smi -h' for help.\n\n",
            EXIT_BAD_ARGUMENT,
        )
    return {"version": ""}


def version_lines(state: "Row") -> "list[str]":
    """Return what --version prints; NVML has the first two parts of the driver's version."""
    version = state["driver_version"]
    return [
        f"NVIDIA-SMI version  : {version}",
        f"NVML version        : {'.'.join(version.split('.')[:2])}",
        f"DRIVER version      : {version}",
        f"CUDA Version        : {state['cuda_version']}",
    ]


def check_together(options: "dict[str, str]") -> None:
    """Raise Problem for options that the real program does not take together."""
    if "list" in options and "id" in options:
        raise Problem(
            "ERROR: Option -i is not valid for this command. "
            "Please run 'nvidia-smi -h' for help.\n\n",
            EXIT_BAD_ARGUMENT,
        )
    if "query-gpu" in options and "query-compute-apps" in options:
        raise Problem("Only one --query-* switch can be used at a time.\n", EXIT_BAD_ARGUMENT)


def answer(options: "dict[str, str]") -> "list[str]":
    """Return the lines to print."""
    if "help" in options:
        return USAGE.splitlines()
    state = read_state()
    if "version" in options:
        return version_lines(state)
    gpus = gpus_with_use(state, options.get("id"))
    if "list" in options:
        return [f"GPU {gpu['index']}: {gpu['name']} (UUID: {gpu['uuid']})" for gpu in gpus]
    rows, layout = complete(gpus, state), options.get("format", "csv")
    if "query-gpu" in options:
        return csv_lines(options["query-gpu"], GPU_FIELDS, rows=rows, layout=layout)
    if "query-compute-apps" in options:
        rows = [{**row, **app} for row in rows for app in row["apps"]]
        return csv_lines(options["query-compute-apps"], APP_FIELDS, rows=rows, layout=layout)
    return table(gpus, state)


def main(argv: "list[str]") -> int:
    """Print the answer, or what is wrong, as the real one does: both on standard output."""
    try:
        lines = answer(parse(argv))
    except Problem as problem:
        sys.stdout.write(str(problem))
        return problem.code
    sys.stdout.write("".join(line + "\n" for line in lines))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
