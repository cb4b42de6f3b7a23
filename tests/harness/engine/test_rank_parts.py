"""What a rank process is made of: settings, messages, its event loop, the launcher's script."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from pathlib import Path

import pytest
from tensorrt_llm._emulation import settings
from tensorrt_llm._emulation.events import Events
from tensorrt_llm._emulation.wire import (
    Channel,
    ChannelClosed,
    Message,
    connect,
    key_fits,
    listen,
    parse_address,
)

from tests.harness.engine.conftest import ROOT

LAUNCHER = ROOT / "testbed" / "engine" / "trtllm-llmapi-launch"


@pytest.mark.parametrize(
    ("text", "rank", "seconds"),
    [("", 0, 2.0), ("5", 3, 5.0), ("5,3=0.5", 3, 0.5), ("3=9", 3, 9.0), ("3=9", 4, 2.0)],
)
def test_load_time_by_rank(text: str, rank: int, seconds: float) -> None:
    assert settings.load_seconds(rank, {settings.LOAD_S: text}) == seconds


@pytest.mark.parametrize("text", ["fast", "-1", "x=1", "1=x", "nan"])
def test_a_wrong_load_time_names_its_variable(text: str) -> None:
    with pytest.raises(ValueError, match=settings.LOAD_S):
        settings.load_seconds(0, {settings.LOAD_S: text})


def test_token_times_are_in_milliseconds() -> None:
    env = {settings.FIRST_TOKEN_MS: "50", settings.INTER_TOKEN_MS: "4"}

    assert (settings.first_token_s(env), settings.inter_token_s(env)) == (0.05, 0.004)


def pair() -> tuple[Channel, socket.socket]:
    with listen("127.0.0.1", 0) as listener:
        channel = connect(
            ["127.0.0.1"], listener.getsockname()[1], key="k", hello={"t": "rank"}, timeout_s=5
        )
        other, _ = listener.accept()
    return channel, other


def test_messages_survive_being_cut_anywhere() -> None:
    sender, wire = pair()
    sender.send({"t": "load", "plan": {"text": "ä" * 50}})
    sender.close()
    stream = bytearray()
    while chunk := wire.recv(4096):
        stream += chunk
    out, into = socket.socketpair()
    receiver, got = Channel(_tcp_like(into)), list[Message]()

    for byte in stream:
        out.sendall(bytes([byte]))
        got += receiver.read()

    assert [message["t"] for message in got] == ["rank", "load"]
    assert key_fits(got[0], "k")
    assert not key_fits(got[0], "other")
    assert not key_fits({"t": "rank", "key": ""}, "")


def _tcp_like(connection: socket.socket) -> socket.socket:
    """A socket pair has no TCP_NODELAY to set."""

    class Local(socket.socket):
        def setsockopt(self, *_: object) -> None:
            """Take any option."""

    return Local(fileno=connection.detach())


def test_a_closed_connection_is_told() -> None:
    channel, wire = pair()
    wire.close()

    with pytest.raises(ChannelClosed):
        channel.receive(5)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ipc:///x", "tcp://host", "tcp://:5"])
def test_a_wrong_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="tcp://HOST:PORT"):
        parse_address(address)


def test_events_deliver_messages_timers_and_ends() -> None:
    events, seen = Events(), list[str]()

    def closed(_: Channel) -> None:
        seen.append("closed")
        events.stop()

    listener = listen("127.0.0.1", 0)
    events.accept(
        listener,
        lambda _, message: seen.append(message["t"]),
        closed,
    )
    channel = connect(
        ["127.0.0.1"], listener.getsockname()[1], key="k", hello={"t": "hello"}, timeout_s=5
    )
    events.later(0.02, lambda: channel.send({"t": "later"}))
    events.later(0.04, channel.close)
    started = time.process_time()

    events.run()

    assert seen == ["hello", "later", "closed"]
    assert time.process_time() - started < 0.03
    listener.close()


@pytest.fixture
def launch(tmp_path: Path) -> object:
    """Run the launcher with a python3 that only says what it was asked to run."""
    fake = tmp_path / "python3"
    fake.write_text(
        '#!/bin/bash\nif [ "$1" = -I ]; then echo 10012; exit; fi\n'
        'echo "ran $* world=${tllm_mpi_size} slurm=${SLURM_PROCID-none}"\n'
        '[ "$1" != fail ]\n'
    )
    fake.chmod(0o755)

    def run(rank: int, *command: str) -> subprocess.CompletedProcess[str]:
        env = {
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "SLURM_PROCID": str(rank),
            "SLURM_NTASKS": "16",
            "HOSTNAME": "node1",
        }
        return subprocess.run(
            [str(LAUNCHER), *command],
            env=env,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )

    return run


def plain(text: str) -> list[str]:
    """Return coloured lines without their colour, and without what `set -x` shows."""
    return [
        re.sub(r"\x1b\[\d*m", "", line) for line in text.splitlines() if line.startswith("\x1b[33m")
    ]


def test_a_worker_rank_says_its_lines(launch: object) -> None:
    done = launch(9, "python3", "-m", "dynamo.trtllm")  # type: ignore[operator]

    assert plain(done.stderr) == [
        "mpi_rank: 9",
        "tllm_mpi_size: 16",
        "TLLM_SPAWN_PROXY_PROCESS_IPC_ADDR: tcp://127.0.0.1:10012",
        "rank9 run mgmn worker node with mpi_world_size: 16 ...",
    ]
    assert "ran -m tensorrt_llm.llmapi.mgmn_worker_node world=16 slurm=9" in done.stdout
    assert "dynamo.trtllm" not in done.stdout


def test_the_leader_runs_the_command_outside_of_mpi_and_stops_the_server(launch: object) -> None:
    done = launch(0, "python3", "-m", "dynamo.trtllm")  # type: ignore[operator]

    assert "rank0 run mgmn leader node with mpi_world_size: 16 ..." in plain(done.stderr)
    assert "rank0 host: node1" in plain(done.stderr)
    assert "ran -m dynamo.trtllm world=16 slurm=none" in done.stdout
    assert "ran -m tensorrt_llm.llmapi.mgmn_leader_node world=16 slurm=0" in done.stdout


def test_the_key_is_in_no_log(launch: object) -> None:
    done = launch(0, "python3", "-m", "dynamo.trtllm")  # type: ignore[operator]

    assert not re.search(r"[0-9a-f]{64}", done.stdout + done.stderr)


def test_a_failed_command_leaves_the_server_up(launch: object) -> None:
    done = launch(0, "python3", "fail")  # type: ignore[operator]

    assert "--action stop" not in done.stdout
