"""OpenAI's own client, set up so that it judges nothing away: no proxy, no retry, a time limit."""

from __future__ import annotations

from openai import DefaultHttpxClient, OpenAI

TIMEOUT_S = 60.0


def official_client(base_url: str, key: str) -> OpenAI:
    """Return the client for the server at ``base_url`` (without ``/v1``); close it after use."""
    return OpenAI(
        base_url=f"{base_url}/v1",
        api_key=key or "none",
        max_retries=0,
        timeout=TIMEOUT_S,
        http_client=DefaultHttpxClient(trust_env=False),
    )
