"""What is registered in etcd, through its JSON gateway (3.4 and newer): without its library."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors import ProductError
from harness.http import Http

CALL_S = 5.0
_HOST = re.compile(r"(\d+\.\d+\.\d+\.\d+):\d+")


@dataclass(frozen=True)
class Instance:
    """One ``generate`` endpoint in discovery.

    ``address`` is the host it is served from, or empty when the transport names none (NATS).
    """

    namespace: str
    component: str
    endpoint: str
    instance_id: int
    address: str
    key: str
    create_revision: int


class Discovery:
    """Reads Dynamo's instance records."""

    def __init__(self, etcd: Http, prefix: str) -> None:
        self.http = etcd
        self._prefix = prefix

    def instances(self) -> tuple[Instance, ...]:
        """Return the registered ``generate`` endpoints, ordered by key."""
        body = {"key": _encode(self._prefix), "range_end": _encode(_after(self._prefix))}
        answer = self.http.post_json("/v3/kv/range", body, timeout_s=CALL_S)
        found = (parse_instance(pair) for pair in answer.get("kvs", []))
        return tuple(instance for instance in found if instance and instance.endpoint == "generate")


def parse_instance(pair: Mapping[str, Any]) -> Instance | None:
    """Return the instance of an etcd pair (base64 key and value), or ``None`` for other records."""
    key = base64.b64decode(pair["key"]).decode()
    try:
        record = json.loads(base64.b64decode(pair.get("value", "")))
        return Instance(
            namespace=str(record["namespace"]),
            component=str(record["component"]),
            endpoint=str(record["endpoint"]),
            instance_id=int(record["instance_id"]),
            address=_address(record.get("transport")),
            key=key,
            create_revision=int(pair.get("create_revision", 0)),
        )
    except (ValueError, KeyError, TypeError) as broken:
        if "/generate/" in key:
            raise ProductError(
                f"etcd's record {key} is not an instance as Dynamo writes it: {broken!r}"
            ) from broken
        return None


def _address(transport: object) -> str:
    found = _HOST.search(json.dumps(transport))
    return found[1] if found else ""


def _encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _after(prefix: str) -> str:
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)
