"""Names of hosts, resolved within a time limit: the system's resolver has none of its own.

With name servers that do not answer it takes half a minute and more, and cannot be called off.
"""

from __future__ import annotations

import queue
import socket
import threading


def resolve(
    name: str, *, timeout_s: float, family: socket.AddressFamily = socket.AF_UNSPEC
) -> list[str]:
    """Return the addresses of a host; raises ``OSError``, of which ``TimeoutError`` is one."""
    answers: queue.Queue[list[str] | OSError] = queue.Queue()

    def ask() -> None:
        try:
            rows = socket.getaddrinfo(name, None, family, socket.SOCK_STREAM)
        except OSError as unknown:
            answers.put(unknown)
        except UnicodeError as odd:  # of a name with an empty or a long part
            answers.put(OSError(f"is no name of a host: {odd}"))
        else:
            answers.put([str(row[4][0]) for row in rows])

    threading.Thread(target=ask, name=f"resolve {name}", daemon=True).start()
    try:
        answer = answers.get(timeout=timeout_s)
    except queue.Empty:
        raise TimeoutError(f"the name {name} was not resolved within {timeout_s:.1f} s") from None
    if isinstance(answer, OSError):
        raise answer
    return answer
