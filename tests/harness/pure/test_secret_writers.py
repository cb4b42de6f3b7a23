"""Every writer of a run's files takes secrets out itself, each way of knowing one by itself."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from allure_commons import model2

from fixtures.evidence import SecretlessLogger
from harness.journal import JOURNAL_FILE, Journal, Outcome
from harness.rundir import RunDirectory
from harness.secrets import REDACTED, Redactor
from harness.serving.judgement import Judging, load_judgements
from harness.serving.record import load_records
from harness.serving.sink import RecordSink
from tests.harness.pure.serving_kit import asked, record_of, unary_of

PLAIN = "planted-plain-1"
SHAPED = "Bearer abcdef.g"
KNOWN = Redactor({"A_TOKEN": PLAIN})


def test_an_event_loses_secrets_of_any_kind_in_values_of_any_type(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path, "r", KNOWN)
    directory.event("died", {"A_KEY": "abc", "said": SHAPED, "file": Path("/srv", PLAIN)})
    told = json.loads((tmp_path / "events.jsonl").read_text(encoding="utf-8"))

    assert (told["A_KEY"], told["said"], told["file"]) == (
        REDACTED, f"Bearer {REDACTED}", f"/srv/{REDACTED}",
    )  # fmt: skip


def test_json_loses_secrets_in_names_and_in_values_of_any_type(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path, "r", KNOWN)
    file = directory.write_json("a.json", {PLAIN: [Path("/srv", PLAIN)], "A_KEY": "abc"})

    assert json.loads(file.read_text(encoding="utf-8")) == {
        REDACTED: [f"/srv/{REDACTED}"],
        "A_KEY": REDACTED,
    }


def test_the_journal_loses_secrets_known_by_value_and_by_shape(tmp_path: Path) -> None:
    journal = Journal(tmp_path / JOURNAL_FILE, "r", redactor=KNOWN)
    journal.outcome(f"a::one[{PLAIN}]", "call", Outcome.FAILED, message=f"said {SHAPED}")
    journal.close()
    last = json.loads((tmp_path / JOURNAL_FILE).read_text(encoding="utf-8").splitlines()[-1])

    assert (last["test"], last["message"]) == (f"a::one[{REDACTED}]", f"said Bearer {REDACTED}")


def test_a_record_loses_secrets_in_what_the_client_says_of_its_failure(tmp_path: Path) -> None:
    record = replace(record_of(b"", asked()), error=f"refused: {SHAPED}")
    with RecordSink(tmp_path / "records.jsonl") as sink:
        sink.write(record)

    assert load_records(tmp_path / "records.jsonl")[0].error == f"refused: Bearer {REDACTED}"


def test_a_judgement_loses_secrets_in_its_words_and_options(tmp_path: Path) -> None:
    judge = Judging(tmp_path / "judgements.jsonl", test=f"a::one[{PLAIN}]", redactor=KNOWN)
    message = {"role": "assistant", "content": "{}"}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    found = judge.json_text(unary_of("", 1, asked(), choices=choices), members=[PLAIN])
    (kept,) = load_judgements(tmp_path / "judgements.jsonl")

    assert PLAIN in str(found)
    assert kept.test == f"a::one[{REDACTED}]"
    assert kept.options == {"members": [REDACTED]}
    assert REDACTED in kept.findings[0]
    assert PLAIN not in kept.findings[0]


def test_a_result_of_allures_loses_secrets_in_lists_of_texts_too(tmp_path: Path) -> None:
    logger = SecretlessLogger(str(tmp_path), KNOWN)
    found = model2.TestResultContainer(uuid="1", name=PLAIN, children=[PLAIN])
    logger.report_container(found)  # type: ignore[no-untyped-call] # Allure has no types
    (file,) = tmp_path.glob("*-container.json")
    told = json.loads(file.read_text(encoding="utf-8"))

    assert (told["name"], told["children"]) == (REDACTED, [REDACTED])


@pytest.mark.parametrize("number", ["179561", "001795"])
def test_a_password_of_digits_is_not_seen_within_a_longer_number(number: str) -> None:
    redactor = Redactor({"A_PASSWORD": number})
    line = '{"at": 1795618467.0017956, "said": "login with %s"}' % number  # noqa: UP031 - braces

    assert json.loads(redactor.known(line)) == {
        "at": 1795618467.0017956,
        "said": f"login with {REDACTED}",
    }
