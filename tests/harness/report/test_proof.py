"""The evidence of a failure: what is attached of which files, and what is left out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fixtures.proof import Moment, Text, first_lines, proof, slurm_record, tails
from harness.diagnosis.facts import Fact, Layer, Place, Source, Weight
from harness.exchange import Arrival, Outcome
from harness.logs import TAIL_BYTES
from harness.serving.judgement import Judgement
from harness.serving.record import Record
from harness.serving.request import ChatRequest
from harness.serving.sink import RecordSink

TEST = "tests/agg/test_streaming.py::test_x"


def fact(at: float, words: str, **place: object) -> Fact:
    where = Place(step="agg-0", file="/r/logs/agg/agg-0.err.log", line=7, **place)  # type: ignore[arg-type]
    return Fact(at, Source.LOG, Layer.ENGINE, Weight.BREAK, words, where)


def record(name: str, *, status: int = 200, data: bytes = b"data: 1\n\n") -> Record:
    return Record(
        request=ChatRequest.ask("m", f"ask {name}", stream=True),
        request_id=name,
        url="http://h/v1",
        outcome=Outcome.COMPLETE,
        error="",
        started_at_s=1.0,
        elapsed_s=0.5,
        status=status,
        headers=(("date", "today"),),
        arrivals=(Arrival(0.25, data),),
    )


def send(run_dir: Path, *records: Record) -> None:
    with RecordSink(run_dir / "records.jsonl") as sink:
        for each in records:
            sink.write(each)


def judge(run_dir: Path, test: str, name: str, *findings: str) -> None:
    with (run_dir / "judgements.jsonl").open("a", encoding="ascii") as file:
        file.write(Judgement(test, "stream", (name,), {}, findings).to_line() + "\n")


def snapshot(run_dir: Path, name: str, used_mib: int) -> None:
    folder = run_dir / "snapshots"
    folder.mkdir(exist_ok=True)
    node: dict[str, object] = {
        "node": "node1",
        "gpus": [{"memory_used_mib": used_mib}],
        "processes": [{}],
        "shm": None,
    }
    (folder / name).write_text(json.dumps([node]), encoding="utf-8")


def of(run_dir: Path, since: Moment, message: str = "") -> dict[str, str]:
    made = proof(run_dir, "agg", test=TEST, since=since, message=message)
    return {each.name: each.text for each in made}


def test_the_requests_of_the_test_are_shown_those_with_a_finding_first(tmp_path: Path) -> None:
    send(tmp_path, record("earlier"), record("also earlier"))
    since = Moment.of(tmp_path)
    send(tmp_path, record("good"), record("refused", status=503), record("found"))
    judge(tmp_path, "another", "good", "order: of another test")
    judge(tmp_path, TEST, "found", "done: expected one [DONE]")
    text = of(tmp_path, since)["requests and their streams"]

    places = [text.index(f"request {name} ") for name in ("found", "refused", "good")]
    assert places == sorted(places)
    assert "earlier" not in text
    assert "another test" not in text
    assert "finding: done: expected one [DONE]" in text
    assert "   0.2500 s  data: 1" in text
    assert "status 503" in text


def test_a_line_that_was_half_written_when_the_test_began_is_not_its_own(tmp_path: Path) -> None:
    send(tmp_path, record("earlier"))
    half = (tmp_path / "records.jsonl").stat().st_size - 20
    send(tmp_path, record("mine"))
    text = of(tmp_path, Moment({"records.jsonl": half}, ()))["requests and their streams"]

    assert "request mine " in text
    assert "request earlier " not in text


def test_many_requests_are_counted_and_large_ones_are_cut(tmp_path: Path) -> None:
    send(tmp_path, *(record(f"r{number}", data=b"x" * 10**6) for number in range(8)))
    text = of(tmp_path, Moment({}, ()))["requests and their streams"]

    assert "3 more requests of this test are in" in text
    assert len(text) < TAIL_BYTES + 1000


def test_the_nodes_are_shown_before_the_test_and_after(tmp_path: Path) -> None:
    snapshot(tmp_path, "01-baseline.json", 3)
    since = Moment.of(tmp_path)
    snapshot(tmp_path, "02-running.json", 4096)
    snapshot(tmp_path, "03-after.json", 77)
    text = of(tmp_path, since)["nodes before and after"]

    assert "snapshots/01-baseline.json" in text
    assert "snapshots/03-after.json" in text
    assert "02-running" not in text
    assert [line.split() for line in text.splitlines() if line.startswith("node1")] == [
        ["node1", "3", "1", "unread"],
        ["node1", "77", "1", "unread"],
    ]


def test_the_logs_of_the_deployment_alone_are_attached_and_cut(tmp_path: Path) -> None:
    for name in ("agg", "agg-again"):
        folder = tmp_path / "logs" / name
        folder.mkdir(parents=True)
        (folder / "agg-0.err.log").write_text(f"{'x' * 3000}\n" * 200 + f"end {name}\n")
    (made,) = tails(tmp_path / "logs" / "agg")

    assert made.name == "agg/agg-0.err.log"
    assert made.text.endswith("end agg")
    assert len(made.text) < TAIL_BYTES + 200
    assert list(of(tmp_path, Moment({}, ()))) == ["agg/agg-0.err.log"]


def test_the_diagnosis_that_a_failure_names_is_attached_with_the_first_line_of_each_rank(
    tmp_path: Path,
) -> None:
    facts = [
        fact(3.0, "late", rank=1, node="node2"),
        fact(2.0, "OOM", rank=1, node="node2"),
        fact(1.0, "NCCL", rank=0, node="node1"),
        fact(0.5, "of no rank"),
    ]
    (tmp_path / "diagnoses").mkdir()
    told = {"cause": "rank 0 died", "facts": [each.as_json() for each in facts]}
    (tmp_path / "diagnoses" / "cause-2.json").write_text(json.dumps(told), encoding="utf-8")
    made = of(tmp_path, Moment({}, ()), "StepEnded: x\ncause id: cause-2\n\nthe test saw: y")

    assert "rank 0 died" in made["diagnosis cause-2"]
    assert [line.partition(" [")[0].rpartition(": ")[2] for line in first_lines(facts)] == [
        "NCCL",
        "OOM",
    ]
    assert all(line.endswith("[/r/logs/agg/agg-0.err.log:7]") for line in first_lines(facts))
    assert made["first error line by rank"].splitlines() == list(first_lines(facts))


@pytest.mark.parametrize("message", ["AssertionError: x", "cause id: cause-9", ""])
def test_without_a_diagnosis_none_is_attached(tmp_path: Path, message: str) -> None:
    assert of(tmp_path, Moment({}, ()), message) == {}


def test_slurms_record_is_what_it_says_of_job_and_steps() -> None:
    assert list(slurm_record(lambda: "JobId=7", lambda: "StepId=7.1")) == [
        Text("Slurm's record", "JobId=7\n\nStepId=7.1\n")
    ]
    assert list(slurm_record(lambda: "", lambda: "")) == []
