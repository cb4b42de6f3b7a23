"""The reach script: which peers this node reaches over TCP, as JSON on standard output.

This one file is sent to all nodes that have to reach each other, through a single step outside the
container; every node gets the same options and finds its own part by its name::

    srun ... --ntasks-per-node=1 python3 -I -S - --token 5f2e --ports 40001,50002 \
        --addresses node2=10.77.0.2,node3=10.77.0.3 --pairs node3:node2,node2:node3 < reach.py

It needs nothing but Python 3.6 and leaves nothing. A node listens on the ports, on all addresses,
and calls its peers until each has answered with the token and its own name: so neither a stranger
on a port nor an address of another node passes for the peer. It ends when it has reached all and
all have reached it, and at the latest at the deadline.

Long answers come in parts, as the probe's do.
"""
# `socket.timeout` is the TimeoutError of calls before Python 3.10.

import argparse
import errno
import json
import os
import socket
import threading
import time
from typing import Any, Dict, List, Set, Tuple

LINE_BYTES = 1000
PART_CHARACTERS = 440  # JSON inside JSON at most doubles in length; the rest is a part's frame
ATTEMPT_S = 1.0  # one call on one port; a lost packet is sent again by the next call
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.02, 0.2  # between rounds: a peer may start a little later
GREETING_BYTES = 512
# What the kernel says of a route that drops or forbids would not be understood.
ROUTES = {
    errno.EINVAL: "discarded by a route of this node (blackhole)",
    errno.EACCES: "forbidden by a route or firewall of this node",
    errno.EPERM: "forbidden by a firewall of this node",
}

Document = Dict[str, Any]


class WrongPeer(Exception):
    """Something answered that is not the peer."""


def in_words(problem: OSError) -> str:
    """Return why a call failed."""
    if isinstance(problem, socket.timeout):
        return "timed out"
    if not problem.errno or isinstance(problem, socket.gaierror):
        return str(problem)
    return ROUTES.get(problem.errno) or os.strerror(problem.errno).lower()


def read_words(connection: socket.socket) -> List[str]:
    """Return the words of the other end's first line."""
    with connection.makefile("rb") as lines:
        return lines.readline(GREETING_BYTES).decode("utf-8", "replace").split()


class Meeting:
    """One node's part: it listens to its peers and calls them, until the deadline at most."""

    def __init__(self, node: str, token: str, *, ports: List[int], deadline_s: float) -> None:
        self.node, self.token, self.ports = node, token, ports
        self.began_s = time.monotonic()
        self.ends_s = self.began_s + deadline_s
        self.changed = threading.Condition()
        self.listening = []  # type: List[int]
        self.deaf = {}  # type: Dict[str, str]
        self.reached = {}  # type: Dict[str, float]
        self.heard = set()  # type: Set[str]
        self.errors = {}  # type: Dict[str, Dict[int, str]]

    def left_s(self) -> float:
        """Return the seconds until the deadline."""
        return self.ends_s - time.monotonic()

    def listen(self, address: str) -> None:
        """Listen on all the ports that are free."""
        for port in self.ports:
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((address, port))
            except OSError as taken:
                self.deaf[str(port)] = in_words(taken)
                listener.close()
                continue
            listener.listen(128)
            self.listening.append(port)
            self.start(self.accept, listener)

    @staticmethod
    def start(work: Any, *arguments: Any) -> None:
        """Work in a thread that does not keep the process from ending."""
        threading.Thread(target=work, args=arguments, daemon=True).start()

    def accept(self, listener: socket.socket) -> None:
        """Take calls; each is answered by itself, for a stranger may say nothing for ever."""
        while True:
            self.start(self.answer, listener.accept()[0])

    def answer(self, connection: socket.socket) -> None:
        """Answer one call, and note the caller if it was for this node."""
        with connection:
            try:
                connection.settimeout(ATTEMPT_S)
                words = read_words(connection)
                if words[:1] != [self.token]:
                    return
                connection.sendall(f"{self.token} {self.node}\n".encode())
            except OSError:
                return
        if words[2:] == [self.node]:
            with self.changed:
                self.heard.add(words[1])
                self.changed.notify_all()

    def call(self, peer: str, address: str) -> None:
        """Call a peer on one port after the other, again and again, until it has answered."""
        errors, pause_s = self.errors.setdefault(peer, {}), FIRST_PAUSE_S
        answered = set()  # type: Set[int]
        while True:
            for port in self.ports:
                limit_s, began_s = min(ATTEMPT_S, self.left_s()), time.monotonic()
                if limit_s <= 0:
                    return
                try:
                    self.exchange(peer, (address, port), limit_s)
                except WrongPeer as other:
                    answered.add(port)
                    errors[port] = str(other)
                    continue
                except OSError as problem:
                    # What answered before says more than silence since, and a whole attempt more
                    # than one that the deadline cuts short.
                    if port not in answered and (limit_s == ATTEMPT_S or port not in errors):
                        errors[port] = in_words(problem)
                    continue
                with self.changed:
                    self.reached[peer] = round((time.monotonic() - began_s) * 1e3, 1)
                    self.changed.notify_all()
                return
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, LONGEST_PAUSE_S)

    def exchange(self, peer: str, where: Tuple[str, int], limit_s: float) -> None:
        """Say the token and expect it back with the peer's name."""
        with socket.create_connection(where, timeout=limit_s) as connection:
            connection.sendall(f"{self.token} {self.node} {peer}\n".encode())
            try:
                words = read_words(connection)
            except socket.timeout:
                raise WrongPeer(f"port {where[1]} accepts and does not answer") from None
        if words[:1] != [self.token]:
            raise WrongPeer(f"a stranger answers on port {where[1]}")
        if words[1:] != [peer]:
            raise WrongPeer(f"{' '.join(words[1:])} answers under this address")

    def hold(self, peers: Dict[str, str], callers: Set[str]) -> Document:
        """Return who was reached, when all was said or the deadline has come."""
        for peer, address in peers.items():
            self.start(self.call, peer, address)
        with self.changed:
            self.changed.wait_for(
                lambda: len(self.reached) == len(peers) and callers <= self.heard,
                timeout=max(0.0, self.left_s()),
            )
            reached, heard = dict(self.reached), set(self.heard)
        after_s = round(time.monotonic() - self.began_s, 1)
        failed = {peer: self.why(peer) for peer in peers if peer not in reached}
        return {
            "node": self.node,
            "reached": reached,
            "failed": {peer: {"error": why, "after_s": after_s} for peer, why in failed.items()},
            "unheard": sorted(callers - heard),
            "listening": self.listening,
            "deaf": self.deaf,
            "elapsed_ms": round((time.monotonic() - self.began_s) * 1e3, 1),
        }

    def why(self, peer: str) -> str:
        """Return the last errors of a peer's ports, each once."""
        errors = dict(self.errors.get(peer, {}))
        return " / ".join(sorted(set(errors.values()))) or "no answer yet"


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
    parser = argparse.ArgumentParser(description="Report which peers this node reaches.")
    parser.add_argument("--token", required=True, help="what only nodes of this run know")
    parser.add_argument("--ports", required=True, help="TCP ports to listen on and to call")
    parser.add_argument("--addresses", required=True, help="NODE=ADDRESS,... of all peers")
    parser.add_argument("--pairs", required=True, help="CALLER:PEER,... of all nodes")
    parser.add_argument("--deadline-s", type=float, default=5.0)
    parser.add_argument("--bind", default="", help="address to listen on; all by default")
    options = parser.parse_args()
    node = os.environ.get("SLURMD_NODENAME") or os.uname().nodename
    addresses = dict(each.split("=", 1) for each in options.addresses.split(","))
    pairs = [each.split(":", 1) for each in options.pairs.split(",")]
    ports = [int(port) for port in options.ports.split(",")]
    meeting = Meeting(node, options.token, ports=ports, deadline_s=options.deadline_s)
    meeting.listen(options.bind)
    peers = {peer: addresses[peer] for caller, peer in pairs if caller == node}
    callers = {caller for caller, peer in pairs if peer == node}
    print("\n".join(lines_of(meeting.hold(peers, callers))))


if __name__ == "__main__":
    main()
