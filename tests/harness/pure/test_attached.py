"""Attaching to a server: what cannot be used is named within five seconds, as class CONFIG."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness.attached import API_KEY, AttachedRun, EndpointUnusable
from harness.errors import ConfigError, SettingsError
from harness.features import Feature
from harness.rundir import RunDirectory
from harness.settings import Settings
from tests.harness.pure.serving_kit import MODEL, Script, answer, read_request, says, serving

KEY = "sk-not-a-real-key-4711"
SECONDS = 5.0


def models(*names: str) -> bytes:
    return answer(json.dumps({"object": "list", "data": [{"id": name} for name in names]}).encode())


def silent(peer: socket.socket) -> None:
    """Take a connection and never answer, until the client leaves."""
    while peer.recv(65536):
        pass


def bad_request(peer: socket.socket) -> None:
    """Answer whatever comes as an HTTP server answers a TLS greeting."""
    peer.recv(65536)
    peer.sendall(answer(b"", status="400 Bad Request"))


@dataclass
class Attach:
    """Attaches to servers with a run directory of its own, and keeps the time it took."""

    directory: RunDirectory
    environ: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def __call__(
        self, url: str, model: str = "", settings: Settings | None = None
    ) -> Iterator[AttachedRun]:
        """Attach, and let go at the end."""
        run = AttachedRun(
            url,
            model,
            settings=settings or Settings(),
            directory=self.directory,
            environ=self.environ,
        )
        with closing(run):
            yield run

    def refused(self, url: str, model: str = "") -> str:
        """Return what the refusal says, which came in time, with its class and the address."""
        began_s = time.monotonic()
        with pytest.raises(EndpointUnusable) as refusal, self(url, model):
            pass
        assert time.monotonic() - began_s < SECONDS
        assert isinstance(refusal.value, ConfigError)
        text = str(refusal.value)
        assert "EndpointUnusable [CONFIG]" in text
        assert url in text
        return text

    def files(self) -> Sequence[bytes]:
        """Return the content of every file of the run directory."""
        return [each.read_bytes() for each in self.directory.path.rglob("*") if each.is_file()]


@pytest.fixture
def attach(tmp_path: Path) -> Attach:
    """Attaches to servers."""
    return Attach(RunDirectory.create(tmp_path / "run", "run-1"))


def test_refused_connection_is_named(attach: Attach) -> None:
    with serving(says()) as url:
        pass

    text = attach.refused(url)
    assert f"expected an OpenAI-compatible server at {url}/v1/models; seen: unreachable" in text
    assert "refused" in text


def test_name_that_nobody_knows_is_named(attach: Attach) -> None:
    assert "seen: unreachable" in attach.refused("http://no-such-host.invalid:8000")


def test_name_servers_that_do_not_answer_are_named_in_time(
    attach: Attach, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: over.wait(30) and [])

    text = attach.refused("http://far-away:8000")
    over.set()
    assert "seen: the name far-away was not resolved within 4.0 s" in text


@pytest.mark.parametrize("greeting", [b"220 mail ready\r\n", b"\x00\xff" * 8, b""])
def test_peer_that_is_no_http_server_is_named(attach: Attach, greeting: bytes) -> None:
    with serving(says(greeting)) as url:
        assert "seen: cut after" in attach.refused(url)


def test_peer_that_never_answers_is_named_in_time(attach: Attach) -> None:
    with serving(silent) as url:
        assert re.search(r"seen: timeout after (3\.9|4\.0)", attach.refused(url))


@pytest.mark.parametrize(
    ("script", "seen"), [(silent, "timeout"), (bad_request, "unreachable")], ids=["silent", "http"]
)
def test_tls_that_fails_is_named(attach: Attach, script: Script, seen: str) -> None:
    with serving(script) as url:
        text = attach.refused(url.replace("http://", "https://"))

    assert f"seen: {seen} after" in text
    assert script is silent or "SSL: " in text


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
def test_server_that_wants_a_key_is_named_with_the_way_to_give_one(
    attach: Attach, status: str
) -> None:
    seen: list[bytes] = []

    def script(peer: socket.socket) -> None:
        seen.append(read_request(peer))
        peer.sendall(answer(b"{}", status=status))

    with serving(script) as url:
        without = attach.refused(url)
        attach.environ[API_KEY] = KEY
        with_key = attach.refused(url)

    assert f"/v1/models answers {status[:3]}\nhint: give a key in OPENAI_API_KEY" in without
    assert "hint: the key in OPENAI_API_KEY is not accepted" in with_key
    assert b"authorization" not in seen[0].lower()
    assert f"authorization: bearer {KEY}\r\n".encode() in seen[1].lower()
    assert KEY not in with_key


@pytest.mark.parametrize("key", [f"{KEY}\n", f" {KEY}", f"{KEY}é", f"{KEY}\r\nx: y", "\x7f" + KEY])
def test_key_that_no_header_can_carry_is_refused_and_not_shown(attach: Attach, key: str) -> None:
    """The error about a key with a line end printed the key."""
    attach.environ[API_KEY] = key

    with (
        serving(says(models(MODEL))) as url,
        pytest.raises(SettingsError, match="environment variable OPENAI_API_KEY") as refusal,
        attach(url),
    ):
        pass
    assert KEY not in str(refusal.value)


@pytest.mark.parametrize(
    "reply",
    [
        answer(b"nothing here", status="404 Not Found"),
        answer(b'{"data": []}', status="307 Temporary Redirect"),
        answer(b"<html>"),
        answer(b"[]"),
        answer(b'{"data": {}}'),
        answer(b"null"),
        answer(b"\xff"),
        answer(b"[" * 99_999),
    ],
    ids=["404", "redirect", "html", "list", "object", "null", "no-text", "deep"],
)
def test_answer_that_lists_no_models_is_shown(attach: Attach, reply: bytes) -> None:
    body = reply.partition(b"\r\n\r\n")[2][:120]
    with serving(says(reply)) as url:
        text = attach.refused(url)

    assert f"expected a list of models from {url}/v1/models; seen: status " in text
    assert repr(body) in text
    assert "hint: --endpoint is the address before /v1" in text


def test_wrong_model_is_named_with_those_that_are_there(attach: Attach) -> None:
    with serving(says(models("a/b", "c"))) as url:
        assert "serves no model 'a'; it lists: a/b, c" in attach.refused(url, "a")


def test_choice_of_several_models_is_the_users(attach: Attach) -> None:
    with serving(says(models("a/b", "c"))) as url:
        text = attach.refused(url)
        with attach(url, "c") as run:
            chosen = run.endpoint.get().served.model

    assert "lists 2 models: a/b, c\nhint: say which one: --model NAME" in text
    assert chosen == "c"


def test_server_without_a_model_is_named(attach: Attach) -> None:
    with serving(says(models())) as url:
        assert "lists 0 models: none" in attach.refused(url)
        assert "serves no model 'a'; it lists: none" in attach.refused(url, "a")


def test_single_model_is_chosen_by_itself(attach: Attach) -> None:
    settings = Settings(declared_features="stop, n", prompt_tokens=100, context_tokens=128)
    with serving(says(models(MODEL))) as url, attach(f"{url}/", settings=settings) as run:
        served = run.endpoint.get().served

        assert served.model == MODEL
        assert served.features == {Feature.STOP, Feature.CHOICES}
        assert (served.prompt_limit, served.context_tokens) == (100, 128)
        assert run.facts()["served_model_name"] == MODEL
        assert run.facts()["declared_features"] == "n, stop"


def test_what_is_not_told_is_not_known(attach: Attach) -> None:
    with serving(says(models(MODEL))) as url, attach(url) as run:
        served = run.endpoint.get().served

    assert served.features == frozenset()
    assert served.prompt_limit is served.context_tokens is None
    assert run.live is run.emulated is None


def test_address_with_a_password_is_refused_and_not_shown(attach: Attach) -> None:
    with (
        pytest.raises(SettingsError, match="without user and password") as refused,
        attach("http://me:hidden-word@127.0.0.1:1"),
    ):
        pass
    assert "hidden-word" not in str(refused.value)


def test_key_goes_with_every_request_and_into_no_file(attach: Attach) -> None:
    seen: list[bytes] = []

    def script(peer: socket.socket) -> None:
        seen.append(read_request(peer))
        peer.sendall(models(MODEL))

    attach.environ[API_KEY] = KEY
    with serving(script) as url, attach(url) as run:
        run.endpoint.get().http.get("/v1/models")
        run.directory.write_json("facts.json", run.facts())

    assert all(f"Authorization: Bearer {KEY}".lower() in str(each).lower() for each in seen)
    assert len(seen) == 2
    assert not any(KEY.encode() in content for content in attach.files())
