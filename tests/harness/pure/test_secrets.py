"""Secrets are taken out by name, by shape and by value, and nothing else is."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from harness.dynamo.plan import make_plan
from harness.exchange import Arrival, Outcome
from harness.rundir import RunDirectory
from harness.secrets import REDACTED, Redactor, is_secret_name
from harness.serving.record import Record, load_records
from harness.serving.request import ChatRequest
from harness.serving.sink import RecordSink
from harness.settings import Settings

PLANTED = 'planted "one" & two'
PLAIN = "planted-plain-1"


@pytest.mark.parametrize(
    "name",
    [
        "HF_TOKEN", "NGC_API_KEY", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "MY_SECRET",
        "PGPASSWORD", "DB_PASSWORD_FILE", "Authorization", "proxy-authorization", "x-api-key",
        "set-cookie", "hf_token",
    ],
)  # fmt: skip
def test_a_secret_is_known_by_its_name(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    ["token", "key", "max_tokens", "prompt_tokens", "stop_token_ids", "tokenizer", "HF_HOME"],
)
def test_what_models_and_mappings_call_tokens_and_keys_is_no_secret(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("HF_TOKEN=abc \\\n    HF_HOME=/x srun", "HF_TOKEN=[redacted] \\\n    HF_HOME=/x srun"),
        ("HF_TOKEN='a b c' srun", "HF_TOKEN='[redacted]' srun"),
        ('{"NGC_API_KEY": "abc", "a": 1}', '{"NGC_API_KEY": "[redacted]", "a": 1}'),
        (r"{\"X_SECRET\":\"abc\"}", r"{\"X_SECRET\":\"[redacted]\"}"),
        ("authorization: Basic YWJj", "authorization: [redacted] [redacted]"),
        ("sent Bearer abcdef.g to", "sent Bearer [redacted] to"),
        ("http://user:word@host:1/v1", "http://user:[redacted]@host:1/v1"),
        ("https://0123456789abcdef0@host/", "https://[redacted]@host/"),
        ("GET /v1?api_key=abc&n=1", "GET /v1?api_key=[redacted]&n=1"),
        ("server --api-key abc --port 1", "server --api-key [redacted] --port 1"),
        ("hf_abcdefghijklmnopqrstuvwx said", "[redacted] said"),
    ],
)
def test_a_text_loses_its_secrets_and_keeps_the_rest(text: str, kept: str) -> None:
    redactor = Redactor()

    assert redactor.text(text) in {kept, kept.replace("[redacted] [redacted]", "Basic [redacted]")}
    assert redactor.text(redactor.text(text)) == redactor.text(text)


@pytest.mark.parametrize(
    "told",
    ["HF_TOKEN=abc", "Authorization: Bearer abcdefg", "run --token abc"],
)
def test_xml_is_still_xml_without_its_secrets(told: str) -> None:
    redactor = Redactor()
    once = redactor.text(f'<a><b m="{told}" t="1">{told}</b><b m="x" t="2">{told}</b></a>')
    elements = ET.fromstring(redactor.text(once)).findall("b")  # noqa: S314 - made just above

    assert [each.get("t") for each in elements] == ["1", "2"]
    assert all(REDACTED in str(each.text) and "ab" not in str(each.text) for each in elements)


def test_a_quoted_secret_that_looks_like_a_tag_is_taken_out_whole() -> None:
    assert Redactor().text('PASSWORD="a</b" x') == f'PASSWORD="{REDACTED}" x'


@pytest.mark.parametrize(
    "text",
    [
        "max_tokens=4 stop_token_ids: 5",
        '{"token": " river", "logprob": -0.1}',
        "KeyError: 'nodes'",
        "--container-env=HF_TOKEN,HF_HOME",
        "nats://10.77.0.1:4222",
        "the bearer of news",
    ],
)
def test_a_text_without_a_secret_stays_as_it_is(text: str) -> None:
    assert Redactor({"HF_TOKEN": PLAIN}).text(text) == text


@pytest.mark.parametrize(
    "spelled",
    [
        PLANTED,
        json.dumps(PLANTED),
        "planted &quot;one&quot; &amp; two",
        "planted%20%22one%22%20%26%20two",
    ],
)
def test_a_known_value_is_found_in_any_spelling(spelled: str) -> None:
    redactor = Redactor({"HF_TOKEN": PLANTED})

    assert "one" not in redactor.text(f"nothing says what <{spelled}> is")


def test_the_password_of_an_address_is_known_by_value() -> None:
    redactor = Redactor({"HTTPS_PROXY": f"http://user:{PLAIN}@proxy:3128"})

    assert redactor.text(f"refused for {PLAIN}") == f"refused for {REDACTED}"


def test_short_values_and_paths_are_not_looked_for(tmp_path: Path) -> None:
    redactor = Redactor({"A_KEY": "agg", "B_KEY": str(tmp_path)})

    assert redactor.text(f"agg {tmp_path}") == f"agg {tmp_path}"


def test_members_headers_and_words_after_options_are_redacted_in_json() -> None:
    told = {
        "environment": {"HF_TOKEN": "abc", "HF_HOME": "/srv"},
        "headers": [["x-api-key", "abc"], ["date", "today"]],
        "argv": ["server", "--api-key", "abc", "--port", "1"],
        "max_tokens": 5,
    }

    kept = Redactor().json(told)

    assert kept == {
        "environment": {"HF_TOKEN": REDACTED, "HF_HOME": "/srv"},
        "headers": [["x-api-key", REDACTED], ["date", "today"]],
        "argv": ["server", "--api-key", REDACTED, "--port", "1"],
        "max_tokens": 5,
    }


def test_plan_and_settings_of_a_site_with_a_token_do_not_show_it(tmp_path: Path) -> None:
    settings = Settings(image="/srv/i.sqsh", environment={"HF_TOKEN": PLANTED, "HF_HOME": "/srv"})
    plan = make_plan(
        ("agg",),
        settings,
        nodes=("node1", "node2", "node3", "node4"),
        head_address="10.77.0.1",
        run_id="r",
        job_id="1",
        log_root=tmp_path,
    )
    directory = RunDirectory.create(tmp_path / "run", "r")
    files = (
        directory.write_text("plan.txt", plan.rendered()),
        directory.write_json("plan.json", plan.as_json()),
        directory.write_json("settings.json", {"settings": settings.model_dump()}),
    )
    texts = [file.read_text(encoding="utf-8") for file in files]

    assert PLANTED in plan.rendered()
    assert not [text for text in texts if "planted" in text]
    assert all("/srv" in text and REDACTED in text for text in texts)


def test_an_event_does_not_show_a_secret(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path, "r", Redactor({"HF_TOKEN": PLAIN}))
    directory.event("died", {"said": f"cannot log in with {PLAIN}"})

    assert PLAIN not in (tmp_path / "events.jsonl").read_text(encoding="utf-8")


def test_logs_of_others_are_redacted_and_the_rest_is_left_alone(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path / "run", "r")
    directory.redactor.learn_values([PLAIN])
    leaking, clean = directory.logs("agg") / "a.log", directory.logs("agg") / "b.log"
    leaking.write_bytes(b"0: one \xff\r\n1: login " + PLAIN.encode() + b"\r\n")
    clean.write_bytes(b"0: one \xff\r\n")
    before = clean.stat()

    taken = directory.take_out_secrets()

    assert (taken.changed, taken.busy) == ((leaking,), ())
    assert taken.names(taken.changed) == ["logs/agg/a.log"]
    assert leaking.read_bytes() == b"0: one \xff\r\n1: login [redacted]\r\n"
    assert clean.stat() == before


def record(*pieces: bytes) -> Record:
    return Record(
        request=ChatRequest.ask("m", f"what is {PLAIN}?"),
        request_id="1",
        url="http://user:word1234@h/v1",
        outcome=Outcome.COMPLETE,
        error="",
        started_at_s=1.0,
        elapsed_s=1.0,
        status=200,
        headers=(("set-cookie", "abc"), ("content-type", "text/event-stream")),
        arrivals=tuple(Arrival(float(index), piece) for index, piece in enumerate(pieces)),
    )


def test_a_record_keeps_its_lengths_also_where_a_secret_is_cut_in_two(tmp_path: Path) -> None:
    pieces = (b"data: {planted-", b"plain-1}\n\n", b"data: [DONE]\n\n")
    with RecordSink(tmp_path / "records.jsonl", Redactor({"A_TOKEN": PLAIN})) as sink:
        sink.write(record(*pieces))
    (saved,) = load_records(tmp_path / "records.jsonl")

    assert saved.body == b"data: {***************}\n\ndata: [DONE]\n\n"
    assert [len(each.data) for each in saved.arrivals] == [len(piece) for piece in pieces]
    assert saved.headers == (("set-cookie", REDACTED), ("content-type", "text/event-stream"))
    text = (tmp_path / "records.jsonl").read_text(encoding="ascii")
    assert not [word for word in (PLAIN, "word1234", "abc") if word in text]


def test_a_record_without_a_secret_is_saved_as_it_came(tmp_path: Path) -> None:
    body = b'data: {"token": " river", "bytes": "\xff", "max_token": 5}\n\n'
    with RecordSink(tmp_path / "records.jsonl", Redactor({"A_TOKEN": PLAIN})) as sink:
        sink.write(record(body))

    assert load_records(tmp_path / "records.jsonl")[0].body == body
