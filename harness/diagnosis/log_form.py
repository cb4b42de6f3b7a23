"""Pure: what a line of a log is by its form: an exception, an error, and when it was written."""

from __future__ import annotations

import re
from datetime import datetime, timezone

from harness.compat import StrEnum

_EXCEPTION = re.compile(
    r"^(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Failure|Exit|Interrupt|Expired)(?::|$)|"
    r"panicked at|^terminate called after"
)
_ERROR = re.compile(
    r"\b(?:ERROR|FATAL|CRITICAL)\b|\[[EF]\]|\b[Ee]rror: |\bfatal: |Assertion .* failed|"
    r"(?:command not found|No such file or directory|Permission denied)$"
)
_STAMP = re.compile(
    r"(?P<y>\d{4})-(?P<m>\d\d)-(?P<d>\d\d)[T ](?P<t>\d\d:\d\d:\d\d)(?:[.,](?P<f>\d{1,9}))?|"
    r"\[(?P<m2>\d\d)/(?P<d2>\d\d)/(?P<y2>\d{4})-(?P<t2>\d\d:\d\d:\d\d)\]"
)

TELLING = (
    b"rror", b"ERROR", b"FATAL", b"fatal", b"CRITICAL", b"xception", b"ailed", b"ailure", b"Exit",
    b"Interrupt", b"Expired", b"[E]", b"[F]", b"panicked", b"terminate called", b"aught signal",
    b"fault", b"pyxis:", b"srun: ", b"CANCELLED", b"oom", b"ut of memory", b"ut Of Memory",
    b"imed out", b"timeout", b"lease ", b"nable to", b"annot", b"an not", b"ermi", b"andling",
    b"Xid", b"NCCL", b"abort", b"ABORT", b"nvalid", b"Bus ", b"o such file", b"not found",
    b"mismatch", b"is None", b"are required", b"hecksum", b"MDC ", b"nrecognized",
    b"already in use", b"ended by itself", b"does not serve", b"unhealthy", b"crashed", b"died",
    b"heartbeat", b"sendBytes", b"recvValue", b"hard-kill", b"tombstoned", b"no responders",
    b"Hang ", b"lost connection", b"roken pipe", b"onnection ", b"could not be",
    b"num_fitting_reqs=0", b"No free slots", b"No safetensor", b"no config", b"Repo id", b"429 ",
    b"world_size=", b"illegal", b"fallen off", b"NVLinkOneSided", b"CUDA_ERROR", b"no CUDA",
    b"no NVIDIA", b"EADDRINUSE", b"deadline has", b"Lease ", b"Abort", b"physical address",
    b"misaligned", b"assert", b"Errno", b"plugin name", b"cudaError", b"fell off",
)  # fmt: skip
"""Cheap to look for: a line without any of these is neither an error nor of a signature.

A test holds every signature to it.
"""


class Form(StrEnum):
    """What a line looks like."""

    EXCEPTION = "exception"
    ERROR = "error"


def is_telling(line: bytes) -> bool:
    """Whether a line is worth a closer look."""
    return any(word in line for word in TELLING)


def form_of(text: str) -> Form | None:
    """Return what a line looks like, or ``None`` for one of no alarm."""
    if _EXCEPTION.search(text.strip()):
        return Form.EXCEPTION
    return Form.ERROR if _ERROR.search(text) else None


def time_of(text: str, *, earliest: float, latest: float) -> float | None:
    """Return when a line was written, in seconds since the epoch, or ``None`` if it does not say.

    A time without a zone is taken as UTC, or as this host's own where UTC cannot be: the line was
    written between ``earliest`` and ``latest``.
    """
    found = _STAMP.search(text)
    if found is None:
        return None
    part = found.groupdict()
    day = f"{part['y'] or part['y2']}-{part['m'] or part['m2']}-{part['d'] or part['d2']}"
    try:
        naive = datetime.fromisoformat(f"{day}T{part['t'] or part['t2']}")
    except ValueError:
        return None
    fraction = float(f"0.{part['f']}") if part["f"] else 0.0
    moments = [naive.replace(tzinfo=timezone.utc).timestamp(), naive.timestamp()]
    fitting = [at + fraction for at in moments if earliest - 1.0 <= at + fraction <= latest + 1.0]
    return fitting[0] if fitting else None
