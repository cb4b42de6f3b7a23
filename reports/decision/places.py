"""Where in Allure's page each test stands, as the part of the address behind ``#``."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from reports.arrange import TEST_LABEL

_RESULT = re.compile(r'd\("data/test-results/([^"/]+)\.json","([A-Za-z0-9+/=]+)"\)')
"""How a page that is one file holds the result of a test: its id, and its JSON in base64."""


def places(page: str) -> Mapping[str, str]:
    """Return the place of each test in a page of Allure's, by pytest's id."""
    return {
        test: place
        for place, told in _RESULT.findall(page)
        for test in _tests(json.loads(base64.b64decode(told)))
    }


def _tests(result: Mapping[str, Any]) -> Iterator[str]:
    if not result.get("isRetry"):
        labels = result.get("labels") or ()
        yield from (each["value"] for each in labels if each.get("name") == TEST_LABEL)
