"""A run against a server that somebody else started: no Slurm, no etcd, no deployment of ours."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from harness.commit import suite_commit
from harness.deadline import Deadline
from harness.errors import ConfigError, SettingsError
from harness.exchange import EndpointUnreachable, Exchange, UnexpectedAnswer
from harness.http import Http
from harness.measures import Measures
from harness.once import Once
from harness.resolving import resolve
from harness.rundir import RunDirectory
from harness.serving.endpoint import Endpoint, Served
from harness.serving.sink import RecordSink
from harness.settings import Settings

FIRST_LOOK_S = 4.0
"""Budget of the first request and of its name together.

Within five seconds an unusable server is named as such.
"""

API_KEY = "OPENAI_API_KEY"
"""Variable with the key that is sent to the server, as OpenAI's own client reads it."""


class EndpointUnusable(ConfigError):
    """There is no server at the address, it is not one of this kind, or it refuses us."""


class AttachedRun:
    """A run that only sends requests. Raises :class:`EndpointUnusable` within five seconds."""

    def __init__(
        self,
        url: str,
        model: str,
        *,
        settings: Settings,
        directory: RunDirectory,
        environ: Mapping[str, str],
    ) -> None:
        self.url = url
        self.directory = directory
        self.settings = settings
        self.measures = Measures(directory)
        key = _key(environ)
        if urlsplit(url).username is not None:
            raise SettingsError(
                "--endpoint: expected an address without user and password, for it is written into "
                "the run's files",
                hint=f"give a key in {API_KEY}",
            )
        http = Http(url, headers={"authorization": f"Bearer {key}"} if key else {})
        served = Served(
            _model(_listed(http, keyed=bool(key)), model, url),
            settings.features,
            prompt_limit=settings.prompt_tokens,
            context_tokens=settings.context_tokens,
        )
        self.served = served
        self._http = http
        endpoint = Endpoint(http, served, RecordSink(directory.records, directory.redactor))
        self.endpoint = Once(f"the server at {url}", lambda: endpoint)

    emulated = None
    """Nothing here tells of the engine behind the server."""

    looked = True
    """All facts are known from the start."""

    live = None
    """No deployment is ours."""

    def facts(self) -> dict[str, str]:
        """Return what exactly was tested."""
        return {
            "engine": "none seen",
            "endpoint": self.url,
            "served_model_name": self.served.model,
            "declared_features": ", ".join(sorted(self.served.features)) or "none",
            "suite_commit": suite_commit(),
            "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        }

    def close(self) -> None:
        """Close what is open here; the server is not ours to stop."""
        self._http.close()


def _key(environ: Mapping[str, str]) -> str:
    """Return the key to send, or ``""``; an error about it does not show it."""
    key = environ.get(API_KEY, "")
    if key != key.strip() or not (key.isascii() and key.isprintable()):
        raise SettingsError(
            f"environment variable {API_KEY}: a key has printable ASCII characters only, and no "
            "blank before or after them",
            hint="a line end may have come in from a file",
        )
    return key


def _listed(http: Http, *, keyed: bool) -> list[str]:
    """Return the ids of the models that the server lists."""
    where = f"{http.base_url}/v1/models"
    deadline = Deadline.after(FIRST_LOOK_S)
    _check_resolves(http.base_url, where, deadline)
    try:
        answer = http.get("/v1/models", timeout_s=deadline.remaining_s)
    except EndpointUnreachable as broken:
        raise EndpointUnusable(_not_there(broken.exchange, where)) from None
    if answer.status in {401, 403}:
        sent = f"the key in {API_KEY} is not accepted" if keyed else f"give a key in {API_KEY}"
        raise EndpointUnusable(f"{where} answers {answer.status}", hint=sent)
    try:
        listed = answer.json() if answer.status == 200 else None
    except UnexpectedAnswer:
        listed = None
    models = _ids(listed)
    if models is None:
        raise EndpointUnusable(
            f"expected a list of models from {where}; "
            f"seen: status {answer.status}, {answer.body[:120]!r}",
            hint="--endpoint is the address before /v1, such as http://host:8000",
        )
    return models


def _check_resolves(url: str, where: str, deadline: Deadline) -> None:
    """Refuse a name that is not resolved in time; what else is wrong with it the request says."""
    try:
        resolve(urlsplit(url).hostname or "", timeout_s=deadline.remaining_s)
    except TimeoutError as late:
        raise EndpointUnusable(
            f"expected an OpenAI-compatible server at {where}; seen: {late}",
            hint="do this machine's name servers answer? see /etc/resolv.conf",
        ) from None
    except OSError:
        pass


def _ids(listed: Any) -> list[str] | None:
    data = listed.get("data") if isinstance(listed, dict) else None
    if not isinstance(data, list):
        return None
    return [str(each["id"]) for each in data if isinstance(each, dict) and "id" in each]


def _not_there(exchange: Exchange, where: str) -> str:
    return (
        f"expected an OpenAI-compatible server at {where}; "
        f"seen: {exchange.outcome} after {exchange.elapsed_s:.2f} s ({exchange.error})"
    )


def _model(listed: list[str], wanted: str, url: str) -> str:
    shown = ", ".join(listed) or "none"
    if wanted in listed:
        return wanted
    if wanted:
        raise EndpointUnusable(f"{url} serves no model {wanted!r}; it lists: {shown}")
    if len(listed) != 1:
        hint = "say which one: --model NAME" if listed else "no worker is registered there"
        raise EndpointUnusable(f"{url} lists {len(listed)} models: {shown}", hint=hint)
    return listed[0]
