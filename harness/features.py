"""What a server may serve beyond the core of the API, by name.

A feature is asked for only where it is declared, by the table of releases or by the person who
attaches to a server: a server that declares it must serve it, any other need not.
"""

from __future__ import annotations

from harness.compat import StrEnum


class Feature(StrEnum):
    """One thing that not every server serves."""

    STOP = "stop"
    """Stop strings."""
    CHOICES = "n"
    """Several choices in one answer."""
    LOGPROBS = "logprobs"
    """Log-probabilities of tokens, with alternatives."""
    TOOLS = "tools"
    """Tools are accepted, and called in well-formed calls if at all."""
    TOOL_CALLS = "tool-calls"
    """A tool is called where the request says that one must be."""
    JSON_TEXT = "response_format"
    """Answers that are JSON, by ``response_format``."""
    IGNORE_EOS = "ignore_eos"
    """Answers that no end token ends (an extension of vLLM, TensorRT-LLM and Dynamo)."""
    EQUAL_ANSWERS = "equal-answers"
    """Equal requests get equal answers: at temperature 0, and with equal seeds."""


def parse_features(text: str) -> frozenset[Feature]:
    """Return the features of a comma-separated list; raises ``ValueError`` for an unknown one."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    known = {str(feature): feature for feature in Feature}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"no feature is called {unknown[0]!r}; known: {', '.join(known)}")
    return frozenset(known[name] for name in names)
