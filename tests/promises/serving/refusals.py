"""What a server refuses: clearly, with a status that says whose fault it is, and unharmed by it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from harness.serving.endpoint import Endpoint
from harness.serving.judgement import Judging
from harness.serving.lengths import PromptRuler
from harness.serving.request import CHAT_PATH, COMPLETIONS_PATH, ChatRequest, RawRequest

INVALID = (400, 422)
"""Statuses of a request whose body is wrong: 422 is what some frameworks say for 400."""

REFUSAL_S = 30.0
AFTER_S = 15.0
"""Seconds for a short answer right after a refusal."""

Refused = Callable[..., None]

GOOD = {"messages": [{"role": "user", "content": "Why?"}], "max_tokens": 4}
MALFORMED: Mapping[str, bytes] = {
    "no-json": b'{"model": ',
    "empty": b"",
    "list": b"[]",
    "not-utf8": b'{"model": "\xff\xfe"}',
    "null": b"null",
}
CHANGES: Mapping[str, Mapping[str, Any]] = {
    "messages-text": {"messages": "Why?"},
    "messages-empty": {"messages": []},
    "messages-numbers": {"messages": [1]},
    "role-unknown": {"messages": [{"role": "nobody", "content": "Why?"}]},
    "role-missing": {"messages": [{"content": "Why?"}]},
    "model-number": {"model": 5},
    "max_tokens-negative": {"max_tokens": -1},
    "max_tokens-zero": {"max_tokens": 0},
    "max_tokens-text": {"max_tokens": "many"},
    "max_tokens-fraction": {"max_tokens": 1.5},
    "max_completion_tokens-negative": {"max_completion_tokens": -1},
    "temperature-negative": {"temperature": -1},
    "temperature-high": {"temperature": 3},
    "temperature-text": {"temperature": "hot"},
    "top_p-high": {"top_p": 2},
    "n-zero": {"n": 0},
    "stream-text": {"stream": "yes"},
    "stop-number": {"stop": 5},
    "seed-text": {"seed": "abc"},
}
"""What is changed of a good request, each a fault of its own."""

PLAIN_CHANGES: Mapping[str, Mapping[str, Any]] = {
    "prompt-null": {"prompt": None},
    "max_tokens-negative": {"max_tokens": -1},
    "max_tokens-zero": {"max_tokens": 0},
    "temperature-high": {"temperature": 3},
}
TOO_LARGE = 64 * 2**20
"""Bytes; frontends take some 2 to 45 MiB."""


@pytest.mark.lifecycle("serve")
class RefusalPromises:
    """What holds of every request that is wrong: it is refused, and the server still serves."""

    @pytest.fixture
    def refused(self, endpoint: Endpoint, judge: Judging) -> Refused:
        """Send a wrong request, judge its refusal, and a good request right after it."""

        def check(request: RawRequest, status: Sequence[int], *, reason: bool = True) -> None:
            record = endpoint.ask(request, timeout_s=REFUSAL_S)
            good = ChatRequest.ask(endpoint.served.model, "Why?", max_tokens=4, temperature=0.0)
            after = endpoint.ask(good.streamed(), timeout_s=AFTER_S)

            assert not judge.refusal(record, status=status, reason=reason)
            assert not judge.stream(after), "the server does not serve after a wrong request"

        return check

    @pytest.mark.parametrize("path", [CHAT_PATH, COMPLETIONS_PATH], ids=["chat", "plain"])
    @pytest.mark.parametrize("name", list(MALFORMED))
    def test_body_that_is_no_request_is_refused(
        self, refused: Refused, name: str, path: str
    ) -> None:
        """A body that is no JSON object gets 400 and an error body."""
        refused(RawRequest("POST", path, MALFORMED[name]), INVALID)

    @pytest.mark.parametrize("name", list(CHANGES))
    def test_wrong_chat_is_refused(self, refused: Refused, endpoint: Endpoint, name: str) -> None:
        """Wrong types, missing members, negative and zero limits get 400 and an error body."""
        body = {"model": endpoint.served.model, **GOOD, **CHANGES[name]}
        refused(RawRequest("POST", CHAT_PATH, json.dumps(body).encode()), INVALID)

    @pytest.mark.parametrize("missing", ["model", "messages"])
    def test_chat_without_a_needed_member_is_refused(
        self, refused: Refused, endpoint: Endpoint, missing: str
    ) -> None:
        """A chat without model or messages gets 400 and an error body."""
        body = {"model": endpoint.served.model, **GOOD}
        del body[missing]
        refused(RawRequest("POST", CHAT_PATH, json.dumps(body).encode()), INVALID)

    @pytest.mark.parametrize("name", list(PLAIN_CHANGES))
    def test_wrong_plain_request_is_refused(
        self, refused: Refused, endpoint: Endpoint, name: str
    ) -> None:
        """The same holds of plain completions."""
        good = {"model": endpoint.served.model, "prompt": "Why?", "max_tokens": 4}
        body = json.dumps({**good, **PLAIN_CHANGES[name]}).encode()
        refused(RawRequest("POST", COMPLETIONS_PATH, body), INVALID)

    @pytest.mark.parametrize("stream", [True, False], ids=["stream", "unary"])
    @pytest.mark.parametrize("path", [CHAT_PATH, COMPLETIONS_PATH], ids=["chat", "plain"])
    def test_unknown_model_is_404(self, refused: Refused, path: str, *, stream: bool) -> None:
        """A model that is not served gets 404 and an error body, not another model's words."""
        asked = GOOD if path == CHAT_PATH else {"prompt": "Why?", "max_tokens": 4}
        body = {"model": "no/such-model", "stream": stream, **asked}
        refused(RawRequest("POST", path, json.dumps(body).encode()), (404,))

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
    def test_wrong_method_is_405(self, refused: Refused, method: str) -> None:
        """A method that the path does not have gets 405."""
        refused(RawRequest(method, CHAT_PATH), (405,), reason=False)

    def test_unknown_path_is_404(self, refused: Refused) -> None:
        """A path that is not there gets 404."""
        refused(RawRequest("POST", "/v1/no/such/path", b"{}"), (404,), reason=False)

    def test_body_that_is_too_large_is_refused(self, refused: Refused) -> None:
        """A body of 64 MiB gets 413, or 400 for what it says; it takes no memory for long."""
        refused(RawRequest("POST", CHAT_PATH, b" " * TOO_LARGE), (413, *INVALID), reason=False)

    def test_prompt_over_the_context_is_refused(
        self, refused: Refused, endpoint: Endpoint, prompt_ruler: PromptRuler
    ) -> None:
        """A prompt one word longer than the context gets 400 and an error body."""
        context = endpoint.served.context_tokens
        if context is None:
            pytest.skip("the length of the context is not known here: --context-tokens N")
        prompt = prompt_ruler.prompt_over(context)
        messages = [{"role": "user", "content": prompt}]
        body = {"model": endpoint.served.model, "messages": messages, "max_tokens": 4}
        refused(RawRequest("POST", CHAT_PATH, json.dumps(body).encode()), (413, *INVALID))
