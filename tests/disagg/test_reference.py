"""A disaggregated deployment says what an aggregated one says.

The first test asks an aggregated worker and keeps its answers, the second holds a disaggregated
deployment of workers of the same width against them.
"""

import pytest

from fixtures.serving import Chat, References
from harness.serving.judgement import Judging
from harness.serving.record import Record

QUESTIONS = {
    "one-word": "Why?",
    "unicode": "Schreibe über Zürich, naïve cafés und 東京 🙂.",
    "blocks": "Tell me of a river. " * 20,
}
SEED = 20251126


@pytest.fixture(params=list(QUESTIONS))
def question(request: pytest.FixtureRequest) -> str:
    """The key of one of the questions."""
    return str(request.param)


def _ask(chat: Chat, question: str) -> Record:
    return chat(QUESTIONS[question], max_tokens=32, seed=SEED, stream=True)


@pytest.mark.disagg
@pytest.mark.topology("agg-replicas")
@pytest.mark.lifecycle("serve")
def test_aggregated_worker_answers_for_comparison(
    chat: Chat, judge: Judging, references: References, question: str
) -> None:
    """A single-node aggregated worker answers with whole streams, which are kept."""
    record = _ask(chat, question)
    references.keep(question, record)

    assert not judge.stream(record)


@pytest.mark.disagg
@pytest.mark.topology("disagg-small")
@pytest.mark.lifecycle("serve")
def test_joined_stream_equals_the_aggregated_answer(
    chat: Chat, judge: Judging, references: References, question: str
) -> None:
    """For equal prompt and seed, at temperature 0, the streams of both say the same."""
    record = _ask(chat, question)

    assert not judge.stream(record)
    assert not judge.same(references.of(question), record)
