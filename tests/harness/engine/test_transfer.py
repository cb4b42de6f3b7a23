"""Disaggregated serving: a prompt's KV cache travels, and the answer is made of what arrives."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from tensorrt_llm._emulation.kv_state import ContextState
from tensorrt_llm.disaggregated_params import DisaggregatedParams
from tensorrt_llm.executor.utils import RequestError

from tests.harness.engine.worlds import PROMPT, Engine, Engines, aggregated, play


async def joined(prefill: Engine, decode: Engine, **wishes: Any) -> Any:
    """Return the decode engine's output for a prompt that the other has worked on."""
    handed = await prefill.prefill(**wishes)
    result = await decode.generation_only(handed, **wishes).aresult()
    return result.outputs[0]


@pytest.mark.parametrize("attention_dp", [False, True], ids=["tp", "attention-dp"])
@pytest.mark.parametrize("widths", [(1, 1), (2, 2), (3, 2), (2, 3)], ids=str)
def test_the_joined_answer_is_that_of_one_engine(
    engines: Engines, widths: tuple[int, int], attention_dp: bool
) -> None:
    prefill, decode = (
        engines.make(tensor_parallel_size=width, enable_attention_dp=attention_dp)
        for width in widths
    )

    async def scene() -> None:
        outputs = await asyncio.gather(
            *(joined(prefill, decode, max_tokens=40, seed=s, temperature=0.7) for s in range(4))
        )

        for seed, output in enumerate(outputs):
            expected = aggregated(max_tokens=40, seed=seed, temperature=0.7)
            assert output.token_ids == expected.token_ids
            assert output.finish_reason == expected.finish_reason
        await asyncio.gather(prefill.used(0), decode.used(0))

    play(scene)


def test_from_one_rank_to_many_and_back(engines: Engines) -> None:
    """Attention DP on one side, tensor parallelism on the other."""
    narrow = engines.make(tensor_parallel_size=2, enable_attention_dp=True)
    wide = engines.make(tensor_parallel_size=3)

    async def scene() -> None:
        there = await joined(narrow, wide, max_tokens=9)
        back = await joined(wide, narrow, max_tokens=9)

        assert there.token_ids == back.token_ids == aggregated(max_tokens=9).token_ids
        await asyncio.gather(narrow.used(0), wide.used(0))

    play(scene)


def test_what_is_handed_over_says_where_the_cache_is(engines: Engines) -> None:
    engine = engines.make(tensor_parallel_size=2)

    async def scene() -> None:
        handed = await engine.prefill(request_id=77)
        state = ContextState.decode(handed.opaque_state)

        assert (handed.ctx_request_id, handed.disagg_request_id) == (77, 77)
        assert handed.first_gen_tokens == aggregated().token_ids[:1]
        assert handed.ctx_info_endpoint == [f"tcp://{address}" for address in state.addresses]
        assert len(set(state.addresses)) == 2
        assert state.tokens == len(PROMPT)

    play(scene)


def test_prefill_keeps_the_prompts_blocks_and_its_batch_is_free(engines: Engines) -> None:
    prefill, decode = engines.pair(max_batch_size=1)

    async def scene() -> None:
        handed = [await prefill.prefill() for _ in range(3)]
        rows = await prefill.rows()
        assert rows[0]["kvCacheStats"]["usedNumBlocks"] == 9
        assert rows[0]["numActiveRequests"] == 3

        for one in handed:
            await decode.generation_only(one, max_tokens=2).aresult()
        await prefill.used(0)

    play(scene)


def test_an_answer_of_one_token_ends_at_once(engines: Engines) -> None:
    prefill, decode = engines.pair()

    async def scene() -> None:
        output = await joined(prefill, decode, max_tokens=1)

        assert (output.finish_reason, output.token_ids) == (
            "length",
            aggregated(max_tokens=1).token_ids,
        )

    play(scene)


def test_a_first_token_that_is_the_end_ends_the_answer(engines: Engines) -> None:
    prefill, decode = engines.pair()
    first = aggregated(max_tokens=1).token_ids[0]

    async def scene() -> None:
        by_end = await joined(prefill, decode, end_id=first)
        by_stop = await joined(prefill, decode, stop_token_ids=[first])

        assert (by_end.finish_reason, by_end.token_ids) == ("stop", [])
        assert (by_stop.finish_reason, by_stop.stop_reason) == ("stop", first)
        await asyncio.gather(prefill.used(0), decode.used(0))

    play(scene)


def test_logprobs_are_those_of_one_engine_from_the_first_token_on(engines: Engines) -> None:
    prefill, decode = engines.pair()

    async def scene() -> None:
        output = await joined(prefill, decode, max_tokens=6, logprobs=3)

        expected = aggregated(max_tokens=6, logprobs=3)
        assert output.logprobs == expected.logprobs
        assert output.cumulative_logprob == pytest.approx(expected.cumulative_logprob)

    play(scene)


def test_the_prefill_engines_logprobs_of_the_first_token_are_passed_on(engines: Engines) -> None:
    prefill, decode = engines.pair()

    async def scene() -> None:
        handed = await prefill.prefill(logprobs=2)
        assert handed.first_gen_log_probs is not None
        (known,) = handed.first_gen_log_probs
        changed = {token: replace(value, logprob=-9.0) for token, value in known.items()}
        handed.first_gen_log_probs = [changed]

        result = await decode.generation_only(handed, max_tokens=3, logprobs=2).aresult()

        assert result.outputs[0].logprobs is not None
        assert result.outputs[0].logprobs[0] == changed

    play(scene)


def test_a_rank_that_was_asked_for_takes_the_request(engines: Engines) -> None:
    prefill, decode = engines.pair(tensor_parallel_size=3, enable_attention_dp=True)

    async def scene() -> None:
        handed = await prefill.prefill(rank=2)
        assert handed.ctx_dp_rank == 2
        request = decode.generation_only(handed, rank=1, max_tokens=600, ignore_eos=True)
        await anext(request)

        used = [row["kvCacheStats"]["usedNumBlocks"] > 0 for row in await decode.rows()]
        assert used == [False, True, False]
        request.abort()
        with pytest.raises(RequestError, match="attention_dp_rank"):
            prefill.request(rank=3)

    play(scene)


def test_plain_requests_need_no_transceiver(engines: Engines) -> None:
    engine = engines.make(transceiver={"backend": None})

    async def scene() -> None:
        canary = await engine.request(
            handed=DisaggregatedParams(request_type="context_and_generation"), max_tokens=5
        ).aresult()

        assert canary.outputs[0].token_ids == aggregated(max_tokens=5).token_ids
        with pytest.raises(RequestError, match="kv_cache_transceiver is disabled"):
            engine.context_only()

    play(scene)


def test_the_transfer_is_measured_on_the_decode_engine(engines: Engines) -> None:
    prefill, decode = engines.pair(tensor_parallel_size=2, return_perf_metrics=True)

    async def scene() -> None:
        first = await prefill.context_only().aresult()
        assert first.outputs[0].request_perf_metrics.timing_metrics.kv_cache_size == 0

        output = await joined(prefill, decode, max_tokens=5)

        timing = output.request_perf_metrics.timing_metrics
        assert timing.kv_cache_size == 4 * len(PROMPT)
        assert timing.arrival_time < timing.kv_cache_transfer_start < timing.kv_cache_transfer_end
        assert timing.kv_cache_transfer_end <= timing.first_token_time < timing.last_token_time
        assert output.request_perf_metrics.kv_cache_metrics.num_reused_blocks == 0

    play(scene)
