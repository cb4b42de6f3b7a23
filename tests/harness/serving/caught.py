"""Which test catches which misbehaviour of a server, and by which word of its finding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Caught:
    """A test of ``tests/serving`` that fails, and the promise that its finding names."""

    test: str
    word: str


def _stream(word: str, test: str = "stream_is_whole[seed-16-0.0]") -> Caught:
    return Caught(f"TestStreaming::test_{test}", word)


def _twin(word: str) -> Caught:
    return _stream(word, "stream_says_what_the_unary_answer_says[seed]")


def _option(word: str, test: str) -> Caught:
    return Caught(f"TestOptions::test_{test}", word)


def _refusal(test: str, word: str = "refusal") -> Caught:
    return Caught(f"TestRefusals::test_{test}", word)


def _load(word: str, test: str) -> Caught:
    return Caught(f"TestLoad::test_{test}", word)


NO_REQUEST = "body_that_is_no_request_is_refused[no-json-chat]"
UNKNOWN_MODEL = "unknown_model_is_404[chat-unary]"
OVER_CONTEXT = "prompt_over_the_context_is_refused"

CAUGHT: Mapping[str, Caught] = {
    # framing
    "done-missing": _stream("done"),
    "done-twice": _stream("done"),
    "event-after-done": _stream("done"),
    "blank-line-missing": _stream("framing"),
    "event-line": _stream("framing"),
    "event-not-json": _stream("framing"),
    "event-json-list": _stream("framing"),
    "bytes-not-utf8": _stream("framing"),
    "stream-as-json": _stream("content-type"),
    "stream-reset": _stream("complete"),
    "stream-ends-early": _stream("done"),
    "stream-stalls": _stream("stall"),
    # chunks
    "id-changes": _stream("id"),
    "model-changes": _stream("model"),
    "created-changes": _stream("created"),
    "chunk-object-wrong": _stream("object"),
    "role-missing": _stream("role"),
    "role-user": _stream("role"),
    "finish-missing": _stream("finish"),
    "finish-twice": _stream("finish"),
    "finish-early": _stream("finish"),
    "error-event": _stream("error-event"),
    "characters-split": _stream("characters"),
    "chunk-lost": _twin("same-text"),
    "chunk-twice": _twin("same-text"),
    "usage-with-finish": _stream("usage"),
    # answers
    "usage-missing": _stream("usage"),
    "usage-unasked": _stream("usage", "stream_has_no_usage_unless_asked_for"),
    "usage-sum-wrong": _stream("usage-sum"),
    "usage-unlike-unary": _twin("same-usage"),
    "finish-unknown": _stream("finish"),
    "stop-at-limit": _option("length", "answer_without_end_token_runs_to_its_limit[stream]"),
    "length-before-limit": _stream("length"),
    "over-limit": _stream("length"),
    "stop-string-in-text": _option("stop", "stop_string_ends_the_answer[stream]"),
    "stop-ignored": _option("stop", "stop_string_ends_the_answer[unary]"),
    "n-ignored": _option("order", "choices_come_as_many_as_asked_for[2-stream]"),
    "index-wrong": _option("order", "choices_come_as_many_as_asked_for[2-unary]"),
    "logprobs-missing": _option("logprobs", "logprobs_come_where_asked_for[0-stream]"),
    "top-logprobs-short": _option("logprobs", "logprobs_come_where_asked_for[2-unary]"),
    "seed-ignored": _option("same-text", "equal_seeds_give_equal_answers[stream]"),
    "greedy-differs": _twin("same-text"),
    "tool-ignored": _option("json", "answer_is_json_where_asked_for[json_schema-unary]"),
    "tool-arguments-broken": _option("tool-call", "tool_is_called_where_one_must_be[named-unary]"),
    "stream-unlike-unary": _twin("same-text"),
    "degenerate": _stream("degenerate"),
    "text-empty": _stream("text"),
    "zero-tokens": _stream("usage-sum"),
    "second-batch-garbage": _option("same-text", "answers_stay_equal_over_many_batches[stream]"),
    "crosstalk": _stream("same-text", "crowd_gets_the_answers_that_each_alone_gets[16]"),
    # bodies
    "model-other": _stream("model"),
    "completions-object-wrong": Caught(
        "TestForms::test_plain_completion_is_answered_whole[Once upon a time]", "object"
    ),
    "unary-as-html": _twin("content-type"),
    "unary-object-wrong": _twin("object"),
    "unary-json-half": _twin("shape"),
    "unary-usage-missing": _twin("usage"),
    "unary-role-user": _twin("role"),
    "unary-error-as-200": _twin("shape"),
    # refusals
    "unknown-model-answered": _refusal(UNKNOWN_MODEL),
    "unknown-model-500": _refusal(UNKNOWN_MODEL),
    "bad-json-answered": _refusal(NO_REQUEST),
    "bad-json-500": _refusal(NO_REQUEST),
    "wrong-type-answered": _refusal("wrong_chat_is_refused[max_tokens-text]"),
    "wrong-type-500": _refusal("wrong_chat_is_refused[max_tokens-text]"),
    "missing-messages-answered": _refusal("chat_without_a_needed_member_is_refused[messages]"),
    "max-tokens-0-answered": _refusal("wrong_chat_is_refused[max_tokens-zero]"),
    "negative-max-tokens-answered": _refusal("wrong_chat_is_refused[max_tokens-negative]"),
    "n-0-answered": _refusal("wrong_chat_is_refused[n-zero]"),
    "high-temperature-answered": _refusal("wrong_chat_is_refused[temperature-high]"),
    "long-prompt-answered": _refusal(OVER_CONTEXT),
    "long-prompt-500": _refusal(OVER_CONTEXT),
    "large-body-500": _refusal("body_that_is_too_large_is_refused"),
    "wrong-method-answered": _refusal("wrong_method_is_405[GET]"),
    "unknown-path-answered": _refusal("unknown_path_is_404"),
    "error-without-body": _refusal(UNKNOWN_MODEL),
    "error-as-text": _refusal(UNKNOWN_MODEL),
    "error-as-200": _refusal(UNKNOWN_MODEL),
    "dies-of-bad-json": _refusal(NO_REQUEST, "complete"),
    "hangs-after-long-prompt": _refusal(OVER_CONTEXT, "complete"),
    # load
    "cancelled-slots-leak": _load("cancelled", "slots_of_clients_that_hung_up_come_back"),
    "crowd-dropped": _load("status", "every_stream_of_a_crowd_is_whole[256]"),
    "cancel-cuts-another": _load("complete", "clients_that_hang_up_harm_nobody"),
}
"""By the name of the misbehaviour (``tests/harness/serving/misbehaving``)."""
