"""The transfer buffer, and requests that are aborted before, while or after their cache travels."""

from __future__ import annotations

import asyncio

import pytest
from tensorrt_llm._emulation.kv_buffer import TransferBuffer
from tensorrt_llm._emulation.kv_state import join, pack, part_of, unpack
from tensorrt_llm.executor.utils import RequestError

from tests.harness.engine.test_transfer_failures import moved, serves
from tests.harness.engine.worlds import PROMPT, Engines, aggregated, play


def test_the_buffer_is_shared_first_come_first_served() -> None:
    buffer, started = TransferBuffer(100), list[str]()
    rooms = {
        name: buffer.ask(tokens, lambda name=name: started.append(name), what=name)  # type: ignore[misc]
        for name, tokens in {"a": 70, "b": 40, "c": 30, "huge": 101, "d": 10}.items()
    }
    assert started == ["a"]

    rooms["b"].release()
    assert started == ["a", "c"]

    rooms["a"].release()
    rooms["a"].release()
    assert started == ["a", "c", "d"]


def test_without_a_limit_everything_fits() -> None:
    started = list[int]()

    TransferBuffer(None).ask(10**9, lambda: started.append(1), what="x")

    assert started == [1]


@pytest.mark.parametrize("parts", [1, 2, 3, 7])
def test_shares_are_put_together_again(parts: int) -> None:
    shares = [unpack(pack(part_of(PROMPT, part, parts))) for part in range(parts)]

    assert join(shares, len(PROMPT)) == list(PROMPT)
    with pytest.raises(ValueError, match="tokens were expected"):
        join(shares, len(PROMPT) + 1)


@pytest.mark.parametrize("small", ["prefill", "decode"])
def test_a_prompt_larger_than_the_buffer_never_gets_through(
    engines: Engines, small: str, capsys: pytest.CaptureFixture[str]
) -> None:
    room = {"prefill": 100, "decode": 100, small: len(PROMPT) - 1}
    prefill = engines.make(transceiver={"max_tokens_in_buffer": room["prefill"]})
    decode = engines.make(
        transceiver={"max_tokens_in_buffer": room["decode"], "kv_transfer_timeout_ms": 300}
    )

    async def scene() -> None:
        with pytest.raises(RequestError, match="within 300 ms"):
            await decode.generation_only(await prefill.prefill()).aresult()
        result = decode.generation_only(await prefill.prefill(PROMPT[:50]), max_tokens=3)
        assert len((await result.aresult()).outputs[0].token_ids) == 3
        await asyncio.gather(prefill.used(0), decode.used(0))

    play(scene)
    said = capsys.readouterr().out
    assert "70 tokens do not fit the transfer buffer (max_tokens_in_buffer=69)" in said


def test_a_full_buffer_makes_the_next_transfer_wait(engines: Engines, silent: str) -> None:
    prefill, decode = engines.pair(
        transceiver={"kv_transfer_timeout_ms": 5000, "max_tokens_in_buffer": 100}
    )

    async def scene() -> None:
        handed = await prefill.prefill()
        stuck = asyncio.ensure_future(
            decode.generation_only(moved(handed, addresses=(silent,))).aresult()
        )
        await decode.used(4)
        late = asyncio.ensure_future(decode.generation_only(handed, max_tokens=3).aresult())
        await decode.until(
            lambda rows: rows[0]["inflightBatchingStats"]["numQueuedGenRequests"] == 2
        )
        assert not late.done()

        stuck.cancel()

        assert len((await late).outputs[0].token_ids) == 3
        await asyncio.gather(prefill.used(0), decode.used(0))

    play(scene)


def test_abort_before_the_transfer_frees_both_sides(engines: Engines) -> None:
    prefill, decode = engines.pair(max_batch_size=1)

    async def scene() -> None:
        never, queued = await prefill.prefill(), await prefill.prefill()
        busy = decode.request(max_tokens=1900, ignore_eos=True)
        await anext(busy)
        request = decode.generation_only(queued)
        waiting = asyncio.ensure_future(request.aresult())
        await decode.until(lambda rows: rows[0]["numQueuedRequests"] == 1)

        decode.generation_only(never).abort()
        request.abort()

        assert (await waiting).outputs[0].finish_reason == "cancelled"
        await prefill.used(0)
        busy.abort()
        await serves(prefill, decode)

    play(scene)


@pytest.mark.parametrize("how", ["abort", "cancel"])
def test_abort_while_the_cache_travels_frees_both_sides(
    engines: Engines, silent: str, how: str
) -> None:
    """The prefill rank is one that answers; its share waits for room on the decode rank."""
    prefill, decode = engines.pair(transceiver={"max_tokens_in_buffer": 100})

    async def scene() -> None:
        handed, other = await prefill.prefill(), await prefill.prefill()
        stuck = decode.generation_only(moved(other, addresses=(silent,)))
        stuck_task = asyncio.ensure_future(stuck.aresult())
        await decode.used(4)
        request = decode.generation_only(handed)
        task = asyncio.ensure_future(request.aresult())
        await decode.used(8)

        if how == "abort":
            request.abort()
            assert (await task).outputs[0].finish_reason == "cancelled"
        else:
            task.cancel()
        await asyncio.gather(prefill.used(3), decode.used(4))

        stuck.abort()
        await stuck_task
        await decode.used(0)

    play(scene)


def test_abort_while_the_prefill_rank_has_no_room_frees_both_sides(engines: Engines) -> None:
    prefill = engines.make(transceiver={"max_tokens_in_buffer": len(PROMPT) - 1})
    decode = engines.make()

    async def scene() -> None:
        request = decode.generation_only(await prefill.prefill())
        task = asyncio.ensure_future(request.aresult())
        await decode.used(4)
        assert (await asyncio.wait({task}, timeout=0.05))[0] == set()

        request.abort()

        await task
        await asyncio.gather(prefill.used(0), decode.used(0))

    play(scene)


def test_abort_after_the_transfer_frees_both_sides(engines: Engines) -> None:
    prefill, decode = engines.pair()

    async def scene() -> None:
        request = decode.generation_only(await prefill.prefill(), max_tokens=1900, ignore_eos=True)
        await anext(request)
        await prefill.used(0)

        request.abort()

        await decode.used(0)

    play(scene)


def test_abort_of_a_context_request_frees_what_is_held(engines: Engines) -> None:
    prefill = engines.make(tensor_parallel_size=2)

    async def scene() -> None:
        request = prefill.context_only()
        await request.aresult()
        await prefill.used(3)

        request.abort()

        await prefill.used(0)

    play(scene)


def test_two_readers_of_one_request_do_not_disturb_each_other(
    engines: Engines, silent: str
) -> None:
    """Dynamo reads a second time when a client leaves early, and aborts after the first token."""
    prefill, decode = engines.pair()

    async def scene() -> None:
        handed = await prefill.prefill()
        stuck = decode.generation_only(moved(handed, addresses=(silent,)))
        readers = [asyncio.ensure_future(anext(stuck)) for _ in range(2)]
        assert (await asyncio.wait(readers, timeout=0.05))[0] == set()
        stuck.abort()
        await asyncio.wait(readers)

        request = decode.generation_only(handed, max_tokens=1900, ignore_eos=True)
        await asyncio.gather(*(anext(request) for _ in range(2)))
        request.abort()

        assert request.outputs[0].token_ids[:2] == aggregated(max_tokens=2).token_ids
        await asyncio.gather(prefill.used(0), decode.used(0))

    play(scene)
