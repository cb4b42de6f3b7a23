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

TELLING = re.compile(
    rb"rror|ERROR|FATAL|fatal|CRITICAL|xception|ailure|Exit|Interrupt|Expired|\[[EF]\]|panicked|"
    rb"terminate called|aught signal|fault|pyxis:|srun: |CANCELLED|oom|ut [Oo]f [Mm]emory|imed out|"
    rb"timeout|deadline has|"
    rb"[Ll]ease |nable to|an not|annot|ailed|permitted|ermission denied|andling|Xid|NCCL|[Aa]bort|"
    rb"ABORT|nvalid|Bus |bus |physical address|misaligned|assert|Errno|plugin name|o such file|"
    rb"not found|mismatch|is None|are required|Checksum|checksum|"
    rb"MDC |nrecognized|EADDRINUSE|already in use|ended by itself|does not serve|unhealthy|"
    rb"crashed|died|heartbeat|sendBytes|recvValue|hard-kill|tombstoned|no responders|Hang |"
    rb"lost connection|roken pipe|onnection |could not be|num_fitting_reqs=0|No free slots|"
    rb"o config|o safetensor|Repo id|429 |world_size=|illegal|fell off|fallen off|NVLinkOneSided|"
    rb"CUDA_ERROR|cudaError|no CUDA|no NVIDIA|Plain|P/D routing|already registered"
)
"""Cheap to look for in bytes: a line without any of these is neither an error nor a signature.

A test holds every signature to it.
"""


class Form(StrEnum):
    """What a line looks like."""

    EXCEPTION = "exception"
    ERROR = "error"


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
