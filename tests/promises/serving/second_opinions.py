"""Second opinions: OpenAI's own client and NVIDIA's aiperf get the answers that we got."""

from __future__ import annotations

import pytest
from openai import BadRequestError, NotFoundError, OpenAI

from fixtures.second_opinion import Aiperf
from fixtures.serving import Chat, Needs
from harness.features import Feature
from harness.serving.answer import joined_text
from harness.serving.endpoint import Endpoint
from harness.serving.judgement import Judging

PROMPT = "Tell me of a lighthouse."
REQUESTS = 48
CLIENTS = 8


@pytest.mark.lifecycle("serve")
class OfficialClientPromises:
    """What OpenAI's own client sees of the server."""

    def test_model_is_listed(self, official: OpenAI, endpoint: Endpoint) -> None:
        """The official client lists the served model."""
        assert endpoint.served.model in {model.id for model in official.models.list()}

    def test_stream_says_what_ours_says(
        self, needs: Needs, official: OpenAI, endpoint: Endpoint, chat: Chat, judge: Judging
    ) -> None:
        """The official client joins a stream to the text that we join it to, with its usage."""
        needs(Feature.EQUAL_ANSWERS)
        ours = chat(PROMPT, max_tokens=24, stream=True, stream_options={"include_usage": True})
        chunks = list(
            official.chat.completions.create(
                model=endpoint.served.model,
                messages=[{"role": "user", "content": PROMPT}],
                max_tokens=24,
                temperature=0.0,
                stream=True,
                stream_options={"include_usage": True},
            )
        )
        texts = [each.delta.content or "" for chunk in chunks for each in chunk.choices]
        counted = chunks[-1].usage

        assert not judge.stream(ours)
        assert "".join(texts) == joined_text(ours)
        assert counted is not None
        assert counted.completion_tokens > 0

    def test_whole_answer_is_read(self, official: OpenAI, endpoint: Endpoint) -> None:
        """The official client reads a whole answer: text, reason of the end, usage."""
        answer = official.chat.completions.create(
            model=endpoint.served.model,
            messages=[{"role": "user", "content": PROMPT}],
            max_tokens=8,
            temperature=0.0,
        )

        assert answer.choices[0].message.content
        assert answer.choices[0].finish_reason in {"length", "stop"}
        assert answer.usage is not None
        assert 0 < answer.usage.completion_tokens <= 8

    def test_refusals_are_told_apart(self, official: OpenAI, endpoint: Endpoint) -> None:
        """An unknown model is a NotFoundError to a program, a wrong limit a BadRequestError."""
        with pytest.raises(NotFoundError):
            _ask(official, "no/such-model", max_tokens=4)
        with pytest.raises(BadRequestError):
            _ask(official, endpoint.served.model, max_tokens=-1)


@pytest.mark.load
@pytest.mark.lifecycle("serve")
class AiperfPromises:
    """What NVIDIA's load generator sees of the server."""

    def test_load_of_aiperf_comes_about_whole(self, aiperf: Aiperf) -> None:
        """Every request of aiperf's load is answered with tokens, and none has an error."""
        assert not aiperf(requests=REQUESTS, clients=CLIENTS)


def _ask(official: OpenAI, model: str, *, max_tokens: int) -> None:
    official.chat.completions.create(
        model=model, messages=[{"role": "user", "content": PROMPT}], max_tokens=max_tokens
    )
