"""KV cache transfers that fail: one request ends with an error, and both engines live on."""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import replace
from typing import Any

import pytest
from tensorrt_llm._emulation.kv_state import ContextState, split_address, unpack
from tensorrt_llm._emulation.wire import connect, listen
from tensorrt_llm.disaggregated_params import DisaggregatedParams
from tensorrt_llm.executor.utils import RequestError

from tests.harness.engine.worlds import PROMPT, Engine, Engines, aggregated, play


def moved(handed: DisaggregatedParams, **changes: Any) -> DisaggregatedParams:
    """Return what was handed over, with another state."""
    state = ContextState.decode(handed.opaque_state)
    return replace(handed, opaque_state=replace(state, **changes).encode())


async def serves(prefill: Engine, decode: Engine) -> None:
    """See both engines serve the next request, and come back to rest."""
    result = await decode.generation_only(await prefill.prefill(), max_tokens=5).aresult()
    assert result.outputs[0].token_ids == aggregated(max_tokens=5).token_ids
    await asyncio.gather(prefill.used(0), decode.used(0))


def test_a_dead_prefill_engine_is_an_error_at_once(engines: Engines) -> None:
    dead, prefill, decode = engines.make(), engines.make(), engines.make()

    async def scene() -> None:
        handed = await dead.prefill()
        (address,) = ContextState.decode(handed.opaque_state).addresses
        dead.llm.shutdown()
        request = decode.generation_only(handed, max_tokens=5)

        with pytest.raises(RequestError, match=rf"\[Errno 111\] Connection refused: {address}"):
            await request.aresult()
        with pytest.raises(RequestError):  # who reads a second time learns the same
            await request.aresult()
        await serves(prefill, decode)

    play(scene)


def test_a_network_that_swallows_everything_is_an_error_after_the_time_limit(
    engines: Engines, silent: str, capsys: pytest.CaptureFixture[str]
) -> None:
    prefill, decode = engines.pair(transceiver={"kv_transfer_timeout_ms": 300})

    async def scene() -> None:
        handed = moved(await prefill.prefill(), addresses=(silent,))
        started = time.monotonic()

        with pytest.raises(RequestError, match=rf"timed out: nothing came from {silent} within"):
            await decode.generation_only(handed, max_tokens=5).aresult()
        assert time.monotonic() - started >= 0.3
        await serves(prefill, decode)

    play(scene)
    said = capsys.readouterr().out
    assert "Terminating generation request 1 due to KV cache transfer timeout" in said
    assert "Terminating context request 1 due to KV cache transfer timeout" in said


def test_a_prefill_engine_that_dies_on_the_way_is_an_error_at_once(engines: Engines) -> None:
    prefill, decode = engines.pair()

    async def scene() -> None:
        handed = await prefill.prefill()
        with listen("127.0.0.1", 0) as listener:
            state = moved(handed, addresses=(f"127.0.0.1:{listener.getsockname()[1]}",))
            request = asyncio.ensure_future(decode.generation_only(state).aresult())
            await decode.used(4)
            connection, _ = await asyncio.to_thread(listener.accept)
            connection.close()

            with pytest.raises(RequestError, match="Connection reset by peer"):
                await request
        await decode.used(0)

    play(scene)


def test_an_unknown_request_is_an_error(engines: Engines) -> None:
    prefill, decode = engines.pair(tensor_parallel_size=2)

    async def scene() -> None:
        handed = await prefill.prefill()

        with pytest.raises(RequestError, match="no KV cache of context request 4711 here"):
            await decode.generation_only(replace(handed, ctx_request_id=4711)).aresult()
        result = await decode.generation_only(handed, max_tokens=3).aresult()
        assert result.outputs[0].token_ids == aggregated(max_tokens=3).token_ids
        with pytest.raises(RequestError, match="no KV cache of context request"):
            await decode.generation_only(handed, max_tokens=3).aresult()

    play(scene)


def test_who_does_not_show_the_key_gets_nothing(engines: Engines) -> None:
    prefill, decode = engines.pair()

    async def scene() -> None:
        handed = await prefill.prefill()

        with pytest.raises(RequestError, match="Connection reset by peer"):
            await decode.generation_only(moved(handed, key="wrong")).aresult()
        await prefill.used(3)

    play(scene)


@pytest.mark.parametrize(
    ("here", "words"),
    [
        ({"kv_cache_config": {"tokens_per_block": 64}}, "Page size mismatch: .* 64 here and 32"),
        ({"kv_cache_config": {"dtype": "fp8"}}, "dtype mismatch: .* fp8 here and auto"),
        ({"transceiver": {"backend": "DEFAULT"}}, "Transceiver mismatch: .* NIXL here and UCX"),
    ],
    ids=["block size", "dtype", "backend"],
)
def test_engines_that_differ_fail_every_request(
    engines: Engines, here: dict[str, Any], words: str
) -> None:
    prefill, decode = engines.make(), engines.make(**here)

    async def scene() -> None:
        for _ in range(2):
            with pytest.raises(RequestError, match=words):
                await decode.generation_only(await prefill.prefill()).aresult()
        await decode.used(0)

    play(scene)


def test_default_and_nixl_are_the_same(engines: Engines) -> None:
    prefill = engines.make(transceiver={"backend": "DEFAULT"})
    decode = engines.make(transceiver={"backend": "NIXL"})

    play(lambda: serves(prefill, decode))


@pytest.mark.parametrize("opaque_state", [None, b"emulated", b"EMU-KV1\n{}", "e30="])
def test_a_state_that_is_not_ours_is_refused(engines: Engines, opaque_state: Any) -> None:
    decode = engines.make()
    handed = DisaggregatedParams("generation_only", [1], None, 1, opaque_state)

    with pytest.raises(RequestError, match="opaque_state"):
        decode.generation_only(handed)


def test_a_cache_that_nobody_fetches_is_given_up(engines: Engines) -> None:
    prefill, decode = engines.pair(
        tensor_parallel_size=2, transceiver={"kv_transfer_timeout_ms": 300}
    )

    async def scene() -> None:
        handed = await prefill.prefill()
        await prefill.used(3)
        await prefill.used(0)

        with pytest.raises(RequestError, match="timed out or given up"):
            await decode.generation_only(handed).aresult()

    play(scene)


def test_a_decode_engine_that_dies_while_it_fetches_frees_the_prefill_engine(
    engines: Engines, capsys: pytest.CaptureFixture[str]
) -> None:
    prefill = engines.make()

    async def scene() -> None:
        handed = await prefill.prefill(request_id=5)
        state = ContextState.decode(handed.opaque_state)
        host, port = split_address(state.addresses[0])
        channel = connect([host], port, key=state.key, hello={"t": "hello"}, timeout_s=5)
        channel.send({"t": "want", "tag": 1, "context": 5, "part": 0, "parts": 1})
        assert channel.receive(5)["t"] == "kv"
        await prefill.used(3)

        channel.connection.shutdown(socket.SHUT_RDWR)

        await prefill.used(0)

    play(scene)
    assert "Error in kv cache transfer for context requests: request 5" in capsys.readouterr().out


def test_a_cache_is_kept_until_the_last_rank_has_fetched_its_share(engines: Engines) -> None:
    prefill = engines.make()

    async def scene() -> None:
        handed = await prefill.prefill(request_id=5)
        state = ContextState.decode(handed.opaque_state)
        host, port = split_address(state.addresses[0])
        channel = connect([host], port, key=state.key, hello={"t": "hello"}, timeout_s=5)
        for part in range(2):
            channel.send({"t": "want", "tag": part, "context": 5, "part": part, "parts": 2})
            share = await asyncio.to_thread(channel.receive, 5)
            assert unpack(share["payload"]) == list(PROMPT[part::2])
            channel.send({"t": "got", "tag": part})
            if part == 0:
                await prefill.prefill()  # what the rank reported before is known after it
                await prefill.used(6)
        await prefill.used(3)

    play(scene)


def test_after_a_silence_the_next_request_connects_anew(engines: Engines) -> None:
    prefill, decode = engines.pair(transceiver={"kv_transfer_timeout_ms": 200})

    async def scene() -> None:
        with listen("127.0.0.1", 0) as listener:
            listener.settimeout(5)
            address = f"127.0.0.1:{listener.getsockname()[1]}"
            connections = []
            for _ in range(2):
                handed = moved(await prefill.prefill(), addresses=(address,))
                with pytest.raises(RequestError, match="timed out"):
                    await decode.generation_only(handed).aresult()
                connections.append(await asyncio.to_thread(listener.accept))
            for connection, _ in connections:
                connection.close()

    play(scene)


def test_strangers_at_the_port_do_no_harm(engines: Engines) -> None:
    prefill, decode = engines.pair()

    async def scene() -> None:
        handed = await prefill.prefill()
        address = split_address(ContextState.decode(handed.opaque_state).addresses[0])
        for noise in (b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\2[]", b"\0\0\0\2x!", b""):
            with socket.create_connection(address, timeout=5) as stranger:
                stranger.sendall(noise)
                stranger.shutdown(socket.SHUT_WR)
                assert stranger.recv(1) == b""

        await decode.generation_only(handed, max_tokens=2).aresult()
        await serves(prefill, decode)

    play(scene)


def test_two_context_requests_cannot_share_an_id(engines: Engines) -> None:
    prefill, decode = engines.pair()

    async def scene() -> None:
        handed = await prefill.prefill(request_id=9)
        with pytest.raises(RequestError, match="context request 9 is under way already"):
            await prefill.prefill(request_id=9)

        await decode.generation_only(handed, max_tokens=2).aresult()
        await serves(prefill, decode)

    play(scene)


def test_shutdown_gives_up_what_is_held(engines: Engines) -> None:
    prefill = engines.make(tensor_parallel_size=2, enable_attention_dp=True)

    async def scene() -> None:
        for _ in range(3):
            await prefill.prefill()
        prefill.llm.shutdown()

        assert prefill.llm._scheduler.used_blocks == prefill.llm._scheduler.active == 0

    play(scene)


def test_shutdown_while_a_cache_travels_ends_the_request(engines: Engines, silent: str) -> None:
    """Not with an error: Dynamo ends its process on any that is no RequestError."""
    prefill, decode = engines.pair()

    async def scene() -> None:
        handed = moved(await prefill.prefill(), addresses=(silent,))
        task = asyncio.ensure_future(decode.generation_only(handed).aresult())
        await decode.used(4)
        decode.llm.shutdown()

        assert (await task).outputs[0].finish_reason == "cancelled"
        assert decode.llm._scheduler.used_blocks == 0

    play(scene)
