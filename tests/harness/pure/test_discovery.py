"""Instance records as Dynamo 1.4.2 writes them to etcd, read through etcd's JSON gateway."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Mapping
from typing import Any

import pytest

from harness.dynamo.discovery import Discovery, Instance, parse_instance
from harness.errors import ProductError, VerdictClass
from harness.exchange import EndpointUnreachable
from harness.http import Http
from tests.harness.pure import serving_kit as kit

PREFIX = "v1/instances/"
KEY = "v1/instances/dynamo/backend/generate/7d7ba20aaeb0d209"
WRITTEN = {
    "type": "Endpoint",
    "component": "backend",
    "endpoint": "generate",
    "namespace": "dynamo",
    "instance_id": 9041998843640599049,
    "transport": {"tcp": "10.77.0.5:34775/7d7ba20aaeb0d209/generate"},
    "device_type": "cuda",
    "request_plane_codec": "msgpack",
}
FOUND = Instance("dynamo", "backend", "generate", 9041998843640599049, "10.77.0.5", KEY, 2)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def pair(key: str = KEY, **changed: object) -> dict[str, str]:
    return raw_pair(key, json.dumps(WRITTEN | changed))


def raw_pair(key: str, value: str) -> dict[str, str]:
    return {"key": encoded(key), "value": encoded(value), "create_revision": "2"}


def gateway(*pairs: Mapping[str, str]) -> kit.Script:
    """Return an etcd that answers with ``pairs``; its gateway leaves out ``kvs`` for none."""
    answer: dict[str, Any] = {"header": {"revision": "2"}}
    if pairs:
        answer |= {"kvs": list(pairs), "count": str(len(pairs))}
    return kit.says(kit.answer(json.dumps(answer).encode()))


def test_the_record_of_a_worker_is_read_whole() -> None:
    assert parse_instance(pair()) == FOUND


@pytest.mark.parametrize(
    ("transport", "address"),
    [
        ({"tcp": "10.77.0.5:34775/7d7b/generate"}, "10.77.0.5"),
        ({"http": "http://10.77.0.5:8081/v1/rpc"}, "10.77.0.5"),
        ({"nats_tcp": "dynamo_backend.generate-7d7ba20aaeb0d209"}, ""),
        (None, ""),
    ],
)
def test_the_address_is_that_of_the_transport_if_it_names_one(
    transport: object, address: str
) -> None:
    found = parse_instance(pair(transport=transport))

    assert found is not None
    assert found.address == address


@pytest.mark.parametrize("value", ["", "[]", "null", "not JSON", '{"type": "Endpoint"}', "\x00"])
def test_a_broken_record_of_a_worker_is_the_products_fault(value: str) -> None:
    with pytest.raises(ProductError, match=KEY) as broken:
        parse_instance(raw_pair(KEY, value))
    assert broken.value.verdict_class is VerdictClass.FAIL


def test_another_kind_of_record_is_left_out() -> None:
    assert parse_instance(raw_pair("v1/instances/dynamo/backend/kv_events/7d7b", "{}")) is None


def test_registered_generate_endpoints_are_returned_and_no_others() -> None:
    query = "worker_kv_query_source_0"
    other = pair(f"v1/instances/dynamo/backend/{query}/7d7b", endpoint=query)

    with kit.serving(gateway(pair(), other)) as url, Http(url) as etcd:
        assert Discovery(etcd, PREFIX).instances() == (FOUND,)


def test_an_empty_etcd_has_no_instances() -> None:
    with kit.serving(gateway()) as url, Http(url) as etcd:
        assert Discovery(etcd, PREFIX).instances() == ()


def test_exactly_the_keys_under_the_prefix_are_asked_for() -> None:
    seen: list[bytes] = []

    def script(peer: socket.socket) -> None:
        seen.append(kit.read_request(peer))
        peer.sendall(kit.answer(b"{}"))

    with kit.serving(script) as url, Http(url) as etcd:
        Discovery(etcd, PREFIX).instances()

    head, _, body = seen[0].partition(b"\r\n\r\n")
    asked = {name: base64.b64decode(value) for name, value in json.loads(body).items()}
    assert head.startswith(b"POST /v3/kv/range ")
    assert asked == {"key": b"v1/instances/", "range_end": b"v1/instances0"}


def test_an_etcd_that_is_gone_is_named() -> None:
    with kit.serving(gateway()) as url:
        pass

    with Http(url) as etcd, pytest.raises(EndpointUnreachable, match=url):
        Discovery(etcd, PREFIX).instances()
