"""Streams end after a few tokens, without a reason."""

from __future__ import annotations

from testbed.faults.fault import FAIL, Fault, Layer, Moment, Said
from testbed.faults.provoke import tell_engine

FAULT = Fault(
    "truncated-streams",
    (58,),
    "Streams end after a few tokens, without a reason.",
    Layer.ENGINE,
    Said((FAIL,), patterns=("finish_reason",), within_s=5.0),
    moment=Moment.SERVING,
    inject=tell_engine(EMULATED_TRTLLM_FAULT="truncate:2"),
)
