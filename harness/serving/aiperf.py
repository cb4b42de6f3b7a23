"""NVIDIA's ``aiperf`` as a second opinion on a load, behind a gate of validity.

It ends with 0 when requests have failed, and when no token came: its own figures have to say that
all that was asked for came about (aiperf 0.13.0, ``profile_export_aiperf.json``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.process import Completed, run

PROGRAM = "aiperf"
EXPORT = "profile_export_aiperf.json"
PROMPT_TOKENS = 32
ANSWER_TOKENS = 16


@dataclass(frozen=True)
class Profile:
    """A load that aiperf drives: ``requests`` streams, ``clients`` at a time."""

    url: str
    model: str
    tokenizer: str
    """Name or folder of the tokenizer that makes its prompts; nothing is downloaded."""
    requests: int
    clients: int

    def argv(self, program: str, folder: Path) -> list[str]:
        """Return the command line; all that it writes goes to ``folder``."""
        options = {
            "--model": self.model,
            "--url": self.url,
            "--endpoint-type": "chat",
            "--concurrency": self.clients,
            "--request-count": self.requests,
            "--tokenizer": self.tokenizer,
            "--isl": PROMPT_TOKENS,
            "--osl": ANSWER_TOKENS,
            "--random-seed": 1,
            "--ui": "none",
            "--artifact-dir": folder,
        }
        words = [word for pair in options.items() for word in map(str, pair)]
        return [program, "profile", *words, "--streaming", "--use-server-token-count"]


def drive(
    profile: Profile, program: str, folder: Path, *, env: Mapping[str, str], timeout_s: float
) -> Completed:
    """Run aiperf to its end; what it says of the load is in ``folder``."""
    return run(profile.argv(program, folder), timeout_s=timeout_s, env=env)


def why_invalid(folder: Path, *, requests: int) -> list[str]:
    """Return what keeps aiperf's figures from counting; empty for a load that came about whole."""
    told = _export(folder / EXPORT)
    counted, tokens = _figure(told, "request_count"), _figure(told, "total_output_tokens")
    errors = told.get("error_summary")
    problems = []
    if counted != requests:
        problems.append(f"expected {requests} answered requests, aiperf counts {counted:g}")
    if tokens <= 0:
        problems.append(f"expected output tokens, aiperf counts {tokens:g}")
    if errors:
        problems.append(f"aiperf met errors: {errors}")
    if told.get("was_cancelled"):
        problems.append("aiperf was cancelled before its end")
    return problems


def figures(folder: Path) -> dict[str, tuple[float, str]]:
    """Return aiperf's own figures by the suite's names, in the suite's units."""
    told = _export(folder / EXPORT)
    return {
        "aiperf first_token_p50": (_figure(told, "time_to_first_token", "p50") / 1000, "s"),
        "aiperf throughput": (_figure(told, "output_token_throughput"), "tokens/s"),
    }


def _export(path: Path) -> Mapping[str, Any]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as missing:
        raise HarnessError(f"expected aiperf's figures in {path}: {missing}") from missing
    return told if isinstance(told, dict) else {}


def _figure(told: Mapping[str, Any], name: str, part: str = "avg") -> float:
    metric = told.get(name)
    value = metric.get(part) if isinstance(metric, dict) else None
    return float(value) if isinstance(value, (int, float)) else 0.0
