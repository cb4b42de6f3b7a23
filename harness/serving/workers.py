"""Which workers served a request, role by role, in Dynamo's own words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.serving.answer import chunks
from harness.serving.record import Record


@dataclass(frozen=True)
class WorkerIds:
    """Instance ids of the workers that served a request; ``None`` where the answer names none.

    Dynamo names an aggregated worker as both.
    """

    prefill: int | None = None
    decode: int | None = None


def worker_ids(record: Record) -> WorkerIds:
    """Return the workers that an answer names under ``nvext.worker_id``, streamed or whole.

    A request has to ask for them (:meth:`ChatRequest.naming_workers`). Of a stream whose chunks
    differ the last word counts: it is the worker that brought the answer to its end. Nothing that a
    server may send raises; what is no whole number names no worker.
    """
    prefill: int | None = None
    decode: int | None = None
    for named in _named(record):
        prefill = _id(named.get("prefill_worker_id"), prefill)
        decode = _id(named.get("decode_worker_id"), decode)
    return WorkerIds(prefill, decode)


def _named(record: Record) -> Iterator[Mapping[str, Any]]:
    answers = [chunk for _, chunk in chunks(record)] if record.streamed else [record.json]
    for answer in answers:
        nvext = answer.get("nvext") if isinstance(answer, dict) else None
        named = nvext.get("worker_id") if isinstance(nvext, dict) else None
        if isinstance(named, dict):
            yield named


def _id(raw: Any, otherwise: int | None) -> int | None:
    return raw if type(raw) is int else otherwise
