"""An honest server that is not ours: Dynamo's mocker engine behind its frontend, two processes.

No Slurm, no etcd, no GPU, and no network but loopback: model and instances are found by files. What
the mocker cannot do (Dynamo 1.4.2): it answers a request without ``max_tokens``, and one whose stop
string comes up, with an error, after which the frontend refuses everything for 5 s; it ignores
``n``, ``seed`` and ``logprobs``; a request that its client left runs on to its ``max_tokens``.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from harness.deadline import Deadline, wait_until
from harness.errors import InfraError
from harness.exchange import EndpointUnreachable
from harness.http import Http
from testbed.cluster.paths import cache_folder
from testbed.image import ensure_model
from testbed.image.build import ensure_environment, python_of
from testbed.image.model import REPOSITORY

SPEEDUP = 2
"""How much faster than the modelled GPU the mocker is: about 5 ms a token for one stream."""

START_S = 60.0
"""From the start to a listed model: 2 s at rest, more where the machine is busy."""

TERM_S = 5.0
"""What the two get to end by themselves; 0.2 s are enough when they are idle."""

_LAST_WORDS = 2000


@contextmanager
def mocker(folder: Path) -> Iterator[tuple[str, str]]:
    """Run the mocker; yield the frontend's URL (``http://127.0.0.1:PORT``) and the model's name.

    ``folder`` gets ``frontend.log``, ``worker.log`` and all else that the two write; it has to be
    empty, for what an earlier worker registered would be found too. Raise :class:`InfraError` when
    the model is not listed within ``START_S`` seconds or one of the two has ended before.
    """
    python = str(python_of(ensure_environment(cache_folder(), log=print)))
    ensure_model(folder / "hf", cache_dir=cache_folder(), log=print)
    port = _free_port()
    frontend = ("dynamo.frontend", "--http-host", "127.0.0.1", "--http-port", str(port))
    worker = (
        "dynamo.mocker", "--model-path", REPOSITORY, "--engine-type", "trtllm",
        "--speedup-ratio", str(SPEEDUP),
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    variables = _variables(folder)
    with ExitStack() as stack:
        logs = {
            folder / name: stack.enter_context(
                _running((python, "-m", *command), variables, log=folder / name)
            )
            for name, command in (("frontend.log", frontend), ("worker.log", worker))
        }
        _wait_listed(url, logs)
        yield url, REPOSITORY


def _variables(folder: Path) -> dict[str, str]:
    """Return the whole environment: nothing of the caller's, so no proxy and no telemetry."""
    (folder / "home").mkdir()
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder / "home"),
        "LANG": "C.UTF-8",
        # Both look the model up by its name; nobody is asked for it.
        "HF_HOME": str(folder / "hf"),
        "HF_HUB_OFFLINE": "1",
        # The environment belongs to the image and is counted: nothing may be added to it.
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "DYN_SDK_DISABLE_ANSI_LOGGING": "1",
        "DYN_DISCOVERY_BACKEND": "file",
        "DYN_FILE_KV": str(folder / "discovery"),
        # Loopback only; the second takes an interface, no address. The worker's event sockets
        # cannot be told: they listen on all addresses.
        "DYN_TCP_RPC_HOST": "127.0.0.1",
        "DYN_TCP_RESPONSE_STREAM_HOST": "lo",
    }


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def _running(
    command: Sequence[str], variables: Mapping[str, str], *, log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process in a session of its own, and end the session with all that is in it."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=log.parent,
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and its children: by TERM, and what is left by KILL.

    It is reaped last: until then its number, which is its group's too, cannot be another's.
    """
    os.killpg(process.pid, signal.SIGTERM)
    wait_until(lambda: _ended(process), Deadline.after(TERM_S))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(TERM_S)


def _ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether a process has ended, which stays to be seen."""
    how = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, process.pid, how) is not None


def _wait_listed(url: str, logs: Mapping[Path, subprocess.Popen[bytes]]) -> None:
    deadline = Deadline.after(START_S)

    def watch() -> None:
        for log, process in logs.items():
            if _ended(process):
                raise InfraError(f"a part of the mocker ended by itself; {_tail(log)}")

    with Http(url) as client:
        if wait_until(lambda: _is_listed(client), deadline, watch=watch):
            return
    raise InfraError(
        f"expected {REPOSITORY} in {url}/v1/models within {START_S:g} s, seen no such model; "
        + "; ".join(_tail(log) for log in logs)
    )


def _is_listed(client: Http) -> bool:
    try:
        listed = client.get_json("/v1/models")["data"]
    except EndpointUnreachable:
        return False
    return any(model["id"] == REPOSITORY for model in listed)


def _tail(log: Path) -> str:
    words = log.read_text(encoding="utf-8", errors="replace")[-_LAST_WORDS:]
    return f"{log} ends with:\n{words}"
