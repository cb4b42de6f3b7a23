"""Serve from the command line: prints the URL, then serves until it is ended by TERM."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import threading
from collections.abc import Sequence

from tests.harness.serving.misbehaving.hooks import Settings
from tests.harness.serving.misbehaving.misbehaviours import MISBEHAVIOURS, named
from tests.harness.serving.misbehaving.server import Server


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's options."""
    told = "\n".join(f"  {name}: {each.description}" for name, each in MISBEHAVIOURS.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.harness.serving.misbehaving",
        description="A small OpenAI-compatible server that can misbehave in one way.",
        epilog=f"misbehaviours:\n{told}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = Settings()
    parser.add_argument("--misbehaviour", choices=MISBEHAVIOURS, metavar="NAME")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--model", default=default.model)
    parser.add_argument("--token-ms", type=float, default=default.token_s * 1000)
    parser.add_argument("--stall-s", type=float, default=default.stall_s)
    parser.add_argument("--after", type=int, default=default.after, help="requests that go well")
    parser.add_argument("--until-eof", action="store_true", help="also end with standard input")
    return parser.parse_args(words)


async def serve(options: argparse.Namespace) -> None:
    """Serve until TERM or, if wanted, the end of standard input."""
    settings = Settings(
        model=options.model,
        token_s=options.token_ms / 1000,
        stall_s=options.stall_s,
        after=options.after,
    )
    listening = await Server(settings, named(options.misbehaviour)).listen(options.port)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    if options.until_eof:
        threading.Thread(target=_watch, args=(loop, ended), daemon=True).start()
    print("http://127.0.0.1:{1}".format(*listening.sockets[0].getsockname()), flush=True)
    await ended.wait()
    listening.close()


def _watch(loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    while os.read(sys.stdin.fileno(), 4096):  # unbuffered: no lock is held when Python ends
        pass
    loop.call_soon_threadsafe(ended.set)


if __name__ == "__main__":
    asyncio.run(serve(arguments()))
