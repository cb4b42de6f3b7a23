#!/usr/bin/python3 -IS
"""nvidia-smi for emulated GPUs: the table, -L, --query-gpu, --query-compute-apps. Standard library only.

One file, started often and by everybody: it is put as it is at /usr/local/bin/nvidia-smi of every node and
container. Words, column layout and exit codes follow the real program (driver 580).
"""

import fcntl
import json
import os
import sys
import time

FOLDER = os.environ.get("EMULATED_GPU_FOLDER", "/run/emulated-gpu")
NO_DRIVER = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. "
    "Make sure that the latest NVIDIA driver is installed and running.\n"
)
EXIT_BAD_ARGUMENT, EXIT_NOT_FOUND, EXIT_NO_DRIVER = 2, 6, 9
USAGE = """NVIDIA System Management Interface (emulated GPUs)

nvidia-smi [-i INDEX|UUID,..] [-L | --query-gpu=FIELDS | --query-compute-apps=FIELDS] [--format=csv[,noheader][,nounits]]
"""


class Problem(Exception):
    """Something to say, and the exit code to end with."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


# ------------------------------------------------------------------------------------------- the node's state


def read_state() -> "dict[str, object]":
    """Return the content of gpus.json; raise Problem when the node has no driver."""
    try:
        with open(os.path.join(FOLDER, "gpus.json"), encoding="utf-8") as file:
            state: "dict[str, object]" = json.load(file)
            return state
    except (OSError, ValueError):
        raise Problem(NO_DRIVER, EXIT_NO_DRIVER) from None


def read_holders() -> "list[dict[str, object]]":
    """Return the allocations of living processes, by GPU and process."""
    folder = os.path.join(FOLDER, "holders")
    total: "dict[tuple[object, object], dict[str, object]]" = {}
    for name in sorted(os.listdir(folder)):
        entry = read_holder(os.path.join(folder, name)) if name.endswith(".json") else None
        if entry is None:
            continue
        key = (entry["gpu_uuid"], entry["pid"])
        if key in total:
            total[key]["memory_mib"] = int(str(total[key]["memory_mib"])) + int(str(entry["memory_mib"]))
        else:
            total[key] = entry
    return list(total.values())


def read_holder(path: str) -> "dict[str, object] | None":
    """Return one allocation; None when its process is gone: then its lock is free."""
    try:
        with open(path, "rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                entry: "dict[str, object]" = json.load(file)
                return entry
    except (OSError, ValueError):
        pass
    return None


def gpus_with_use(chosen: "str | None") -> "list[dict[str, object]]":
    """Return the GPUs asked for, each with ``used`` MiB and its ``apps``; raise Problem for an unknown one."""
    holders = read_holders()
    gpus: "list[dict[str, object]]" = list(read_state()["gpus"])  # type: ignore[call-overload]
    for gpu in gpus:
        gpu["apps"] = apps = [entry for entry in holders if entry["gpu_uuid"] == gpu["uuid"]]
        gpu["used"] = sum(int(str(entry["memory_mib"])) for entry in apps)
    if chosen is None:
        return gpus
    found = []
    for word in chosen.split(","):
        match = [gpu for gpu in gpus if word in (str(gpu["index"]), gpu["uuid"], gpu["bus_id"])]
        if not match:
            raise Problem("No devices were found\n", EXIT_NOT_FOUND)
        found += match
    return found


# ------------------------------------------------------------------------------------------------- queries

# Field -> (header, unit, value of a GPU). Names in the header are the fields' own, as in the real program.
GPU_FIELDS = {
    "index": ("", lambda gpu, state: gpu["index"]),
    "uuid": ("", lambda gpu, state: gpu["uuid"]),
    "gpu_uuid": ("", lambda gpu, state: gpu["uuid"]),
    "name": ("", lambda gpu, state: gpu["name"]),
    "gpu_name": ("", lambda gpu, state: gpu["name"]),
    "count": ("", lambda gpu, state: len(state["gpus"])),
    "driver_version": ("", lambda gpu, state: state["driver_version"]),
    "timestamp": ("", lambda gpu, state: time.strftime("%Y/%m/%d %H:%M:%S.000")),
    "pci.bus_id": ("", lambda gpu, state: gpu["bus_id"]),
    "gpu_bus_id": ("", lambda gpu, state: gpu["bus_id"]),
    "memory.total": ("MiB", lambda gpu, state: gpu["memory_total_mib"]),
    "memory.used": ("MiB", lambda gpu, state: gpu["used"]),
    "memory.free": ("MiB", lambda gpu, state: gpu["memory_total_mib"] - gpu["used"]),
    "memory.reserved": ("MiB", lambda gpu, state: 0),
    "utilization.gpu": ("%", lambda gpu, state: 0),
    "utilization.memory": ("%", lambda gpu, state: 0),
    "compute_mode": ("", lambda gpu, state: "Default"),
    "persistence_mode": ("", lambda gpu, state: "Enabled"),
    "pstate": ("", lambda gpu, state: "P0"),
    "compute_cap": ("", lambda gpu, state: "10.0"),
    "mig.mode.current": ("", lambda gpu, state: "Disabled"),
    "temperature.gpu": ("", lambda gpu, state: "[N/A]"),
    "power.draw": ("", lambda gpu, state: "[N/A]"),
    "ecc.errors.uncorrected.volatile.total": ("", lambda gpu, state: 0),
}

APP_FIELDS = {
    "timestamp": ("", lambda app, gpu: time.strftime("%Y/%m/%d %H:%M:%S.000")),
    "gpu_name": ("", lambda app, gpu: gpu["name"]),
    "gpu_bus_id": ("", lambda app, gpu: gpu["bus_id"]),
    "gpu_uuid": ("", lambda app, gpu: gpu["uuid"]),
    "gpu_serial": ("", lambda app, gpu: "[N/A]"),
    "pid": ("", lambda app, gpu: app["pid"]),
    "process_name": ("", lambda app, gpu: app["process_name"]),
    "name": ("", lambda app, gpu: app["process_name"]),
    "used_gpu_memory": ("MiB", lambda app, gpu: app["memory_mib"]),
    "used_memory": ("MiB", lambda app, gpu: app["memory_mib"]),
}


def parse_fields(text: str, known: "dict[str, object]", question: str) -> "list[str]":
    """Return the fields asked for; raise Problem for one that does not exist."""
    fields = [field.strip() for field in text.split(",") if field.strip()]
    for field in fields:
        if field not in known:
            raise Problem(f'Field "{field}" is not a valid field to query.\n\n', EXIT_BAD_ARGUMENT)
    if not fields:
        raise Problem(f"No fields to query given for --{question}\n", EXIT_BAD_ARGUMENT)
    return fields


def csv_lines(
    fields: "list[str]", known: "dict[str, tuple[str, object]]", rows: "list[tuple[object, object]]", layout: str
) -> "list[str]":
    """Return the lines of a csv answer: header unless switched off, units unless switched off."""
    options = [word.strip() for word in layout.split(",")]
    if "csv" not in options or set(options) - {"csv", "noheader", "nounits"}:
        raise Problem(f'"{layout}" is not a valid format. --format=csv[,noheader][,nounits] is required\n', EXIT_BAD_ARGUMENT)
    units = "nounits" not in options
    lines = []
    if "noheader" not in options:
        lines.append(", ".join(f"{f} [{known[f][0]}]" if known[f][0] and units else f for f in fields))
    for row in rows:
        values = []
        for field in fields:
            unit, value = known[field]
            text = str(value(*row))  # type: ignore[operator]
            values.append(f"{text} {unit}" if unit and units else text)
        lines.append(", ".join(values))
    return lines


# --------------------------------------------------------------------------------------------- the table

WIDTH = 89


def table(gpus: "list[dict[str, object]]", state: "dict[str, object]") -> "list[str]":
    """Return the table that a call without arguments prints."""
    versions = (
        f"| NVIDIA-SMI {state['driver_version']!s:<22} Driver Version: {state['driver_version']!s:<14} "
        f"CUDA Version: {state['cuda_version']!s:<8} |"
    )
    lines = [time.strftime("%a %b %d %H:%M:%S %Y"), "+" + "-" * WIDTH + "+", versions]
    lines += [
        "|-----------------------------------------+------------------------+----------------------+",
        "| GPU  Name                 Persistence-M | Bus-Id          Disp.A | Volatile Uncorr. ECC |",
        "| Fan  Temp   Perf          Pwr:Usage/Cap |           Memory-Usage | GPU-Util  Compute M. |",
        "|                                         |                        |               MIG M. |",
        "|=========================================+========================+======================|",
    ]
    for gpu in gpus:
        use = f"{gpu['used']}MiB / {gpu['memory_total_mib']}MiB"
        lines += [
            f"|{gpu['index']:>4}  {gpu['name']!s:<29} On |   {gpu['bus_id']} Off |                    0 |",
            f"| N/A   N/A    P0              N/A /  N/A | {use:>22} |      0%      Default |",
            "|                                         |                        |             Disabled |",
            "+-----------------------------------------+------------------------+----------------------+",
        ]
    return [*lines, "", *process_table(gpus)]


def process_table(gpus: "list[dict[str, object]]") -> "list[str]":
    """Return the lower part of the table."""
    lines = [
        "+" + "-" * WIDTH + "+",
        f"| {'Processes:':<{WIDTH - 1}}|",
        f"| {' GPU   GI   CI              PID   Type   Process name':<{WIDTH - 18}}{'GPU Memory':>16} |",
        f"| {'       ID   ID':<{WIDTH - 18}}{'Usage':<16} |",
        "|" + "=" * WIDTH + "|",
    ]
    rows = [(gpu, app) for gpu in gpus for app in gpu["apps"]]  # type: ignore[attr-defined]
    for gpu, app in rows:
        name = str(app["process_name"])
        name = name if len(name) <= 36 else "..." + name[-33:]
        use = f"{app['memory_mib']}MiB"
        lines.append(f"|{gpu['index']:>5}   N/A  N/A {app['pid']:>16}      C   {name:<36} {use:>12} |")
    if not rows:
        lines.append(f"|  {'No running processes found':<{WIDTH - 2}}|")
    return [*lines, "+" + "-" * WIDTH + "+"]


# ---------------------------------------------------------------------------------------------- the command


def parse(argv: "list[str]") -> "dict[str, str]":
    """Return options by name; raise Problem for what the program does not know."""
    options: "dict[str, str]" = {}
    words = list(argv)
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
                "Invalid combination of input arguments. Please run 'nvidia-smi -h' for help.\n\n", EXIT_BAD_ARGUMENT
            )
    return options


def answer(options: "dict[str, str]") -> "list[str]":
    """Return the lines to print."""
    if "help" in options:
        return USAGE.splitlines()
    state = read_state()
    gpus = gpus_with_use(options.get("id"))
    if "list" in options:
        return [f"GPU {gpu['index']}: {gpu['name']} (UUID: {gpu['uuid']})" for gpu in gpus]
    if "query-gpu" in options:
        fields = parse_fields(options["query-gpu"], GPU_FIELDS, "query-gpu")  # type: ignore[arg-type]
        rows = [(gpu, state) for gpu in gpus]
        return csv_lines(fields, GPU_FIELDS, rows, options.get("format", ""))  # type: ignore[arg-type]
    if "query-compute-apps" in options:
        fields = parse_fields(options["query-compute-apps"], APP_FIELDS, "query-compute-apps")  # type: ignore[arg-type]
        apps = [(app, gpu) for gpu in gpus for app in gpu["apps"]]  # type: ignore[attr-defined]
        return csv_lines(fields, APP_FIELDS, apps, options.get("format", ""))  # type: ignore[arg-type]
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
