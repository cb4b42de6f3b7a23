"""Chat completions: streams that are whole, in order, and say the same as the unary answer."""

from __future__ import annotations

import pytest

from fixtures.serving import Chat, ChatMany, Needs
from harness.features import Feature
from harness.serving.judgement import Judging

SEED_PROMPT = "Tell me a story as if we were playing dungeons and dragons."
PROMPTS = {
    "seed": SEED_PROMPT,
    "one-word": "Why?",
    "unicode": "Schreibe über Zürich, naïve cafés und 東京 🙂.",
    "long": "Repeat after me: " + "the quick brown fox jumps over the lazy dog. " * 12,
}


@pytest.mark.lifecycle("serve")
class StreamingPromises:
    """What holds of every answer of a deployment that serves."""

    @pytest.fixture(params=list(PROMPTS.values()), ids=list(PROMPTS))
    def prompt(self, request: pytest.FixtureRequest) -> str:
        """One of the prompts."""
        return str(request.param)

    def test_seed_request_streams_its_thirty_tokens(self, chat: Chat, judge: Judging) -> None:
        """The seed's own request: stream, 30 tokens at most, status 200, a whole stream."""
        record = chat(SEED_PROMPT, max_tokens=30, stream=True, temperature=None)

        assert not judge.stream(record)

    @pytest.mark.parametrize("temperature", [0.0, 0.8])
    @pytest.mark.parametrize("max_tokens", [1, 16, 64])
    def test_stream_is_whole(
        self, chat: Chat, judge: Judging, prompt: str, max_tokens: int, temperature: float
    ) -> None:
        """Content type, role first, order, one finish_reason, usage that adds up, one [DONE]."""
        record = chat(
            prompt,
            max_tokens=max_tokens,
            temperature=temperature,
            stream=True,
            stream_options={"include_usage": True},
        )

        assert not judge.stream(record)

    def test_stream_says_what_the_unary_answer_says(
        self, needs: Needs, chat: Chat, judge: Judging, prompt: str
    ) -> None:
        """At temperature 0 the joined stream equals the unary answer to the same request."""
        needs(Feature.EQUAL_ANSWERS)
        stream = chat(prompt, max_tokens=32, stream=True, stream_options={"include_usage": True})
        unary = chat(prompt, max_tokens=32, stream=False)

        assert not judge.unary(unary)
        assert not judge.same(stream, unary)

    def test_stream_has_no_usage_unless_asked_for(self, chat: Chat, judge: Judging) -> None:
        """Without stream_options there is no usage chunk (OpenAI's API reference)."""
        record = chat(SEED_PROMPT, max_tokens=8, stream=True)

        assert not judge.stream(record)

    @pytest.mark.parametrize("clients", [4, 16])
    def test_crowd_gets_the_answers_that_each_alone_gets(
        self, needs: Needs, chat_many: ChatMany, judge: Judging, clients: int
    ) -> None:
        """Concurrent streams are whole, and equal prompts get equal answers at temperature 0."""
        needs(Feature.EQUAL_ANSWERS)
        records = chat_many(SEED_PROMPT, max_tokens=24, stream=True, clients=clients)

        assert not judge.stream(*records)
        assert not judge.same(*records)

    def test_unknown_model_is_404(self, chat: Chat, judge: Judging) -> None:
        """A model that is not served gets 404 and an error body, not another model's words."""
        record = chat(SEED_PROMPT, model="no/such-model", max_tokens=4, stream=False)

        assert not judge.refusal(record, status=(404,))
