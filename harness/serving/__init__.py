"""Ask a deployment for completions, keep every byte of the answers, and judge them."""

from harness.serving.answer import (
    error_message,
    finish_reason,
    first_token_s,
    joined_text,
    usage,
)
from harness.serving.finding import Finding, Findings
from harness.serving.judges import (
    judge_answer,
    judge_refusal,
    judge_stream,
    judge_unary,
    same_answer,
)
from harness.serving.record import Record, load_records
from harness.serving.request import ChatRequest
from harness.serving.sending import send, send_many
from harness.serving.sink import RecordSink

__all__ = [
    "ChatRequest",
    "Finding",
    "Findings",
    "Record",
    "RecordSink",
    "error_message",
    "finish_reason",
    "first_token_s",
    "joined_text",
    "judge_answer",
    "judge_refusal",
    "judge_stream",
    "judge_unary",
    "load_records",
    "same_answer",
    "send",
    "send_many",
    "usage",
]
