"""Prompts of more than a KV block, the longest prompt, and the shortest way through both roles."""

import pytest

from fixtures.serving import Chat
from harness.serving.answer import usage
from harness.serving.judgement import Judging
from harness.serving.lengths import PromptRuler

pytestmark = [
    pytest.mark.disagg,
    pytest.mark.topology("disagg", "disagg-mixed"),
    pytest.mark.lifecycle("serve"),
]

NEAR = 0.95
"""Share of the longest prompt that counts as near it."""


@pytest.mark.parametrize("blocks", [1.5, 4], ids=lambda blocks: f"{blocks}-blocks")
def test_prompt_of_several_kv_blocks_is_answered(
    chat: Chat, judge: Judging, prompt_ruler: PromptRuler, blocks: float
) -> None:
    """A prompt longer than one KV block (32 tokens) travels whole, its last block partly full."""
    prompt = prompt_ruler.prompt_with(int(32 * blocks))
    record = chat(prompt, max_tokens=8, stream=True, stream_options={"include_usage": True})

    assert not judge.stream(record)


def test_prompt_near_the_limit_is_answered(
    chat: Chat, judge: Judging, prompt_ruler: PromptRuler, prompt_limit: int
) -> None:
    """The longest prompt that both configs allow fits the transfer buffer (dynamo #4327)."""
    prompt = prompt_ruler.prompt_with(prompt_limit)
    record = chat(prompt, max_tokens=8, stream=False)
    seen = usage(record)

    assert not judge.unary(record)
    assert seen is not None
    assert NEAR * prompt_limit <= seen.prompt_tokens <= prompt_limit


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "unary"])
def test_answer_that_ends_at_its_first_token_is_whole(
    chat: Chat, judge: Judging, stream: bool
) -> None:
    """An answer that prefill alone could give passes both roles and is whole (dynamo #12203)."""
    options = {"stream_options": {"include_usage": True}} if stream else {}
    record = chat("Just one word.", max_tokens=1, stream=stream, **options)

    assert not judge.answer(record)
