"""Wait until etcd or NATS answers in its own protocol, or its process ends; runs in the container.

Usage: ``wait_for_service.py etcd|nats HOST PORT PID``. Exit code 0 when it serves, 1 otherwise.
Standard library only: the image is not ours.
"""

import json
import os
import pathlib
import socket
import sys
import time
import urllib.error
import urllib.request

BUDGET_S = 60.0
CALL_S = 2.0


def etcd_serves(host: str, port: int) -> bool:
    """Whether etcd says that it is healthy, which it is only when it has a leader."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{host}:{port}/health", timeout=CALL_S) as answer:
            return str(json.load(answer).get("health")).lower() == "true"
    except (urllib.error.URLError, OSError, ValueError):
        return False


def nats_serves(host: str, port: int) -> bool:
    """Whether NATS greets with its INFO line."""
    try:
        with socket.create_connection((host, port), timeout=CALL_S) as connection:
            connection.settimeout(CALL_S)
            return connection.recv(5) == b"INFO "
    except OSError:
        return False


def process_lives(pid: int) -> bool:
    """Whether the process still exists and is not a zombie that waits to be reaped."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def main(argv: "list[str]") -> int:
    """Wait as the module says."""
    kind, host, port, pid = argv[0], argv[1], int(argv[2]), int(argv[3])
    serves = {"etcd": etcd_serves, "nats": nats_serves}[kind]
    end = time.monotonic() + BUDGET_S
    while time.monotonic() < end:
        if not process_lives(pid):
            sys.stderr.write(
                f"{kind} (pid {pid} of {os.uname().nodename}) ended before it served\n"
            )
            return 1
        if serves(host, port):
            return 0
        time.sleep(0.02)
    sys.stderr.write(f"{kind} did not serve on {host}:{port} within {BUDGET_S:.0f} s\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
