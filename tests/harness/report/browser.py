"""A headless Chromium, if the machine has one: opens a file with the network cut.

It is driven by its command line alone. What a reader would click on is clicked by a script that is
put into a copy of the page; it also notes how wide every picture came out, in ``data-width``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium-headless-shell", "chromium", "google-chrome", "chromium-browser")
OPEN_S = 60.0
PATIENCE_MS = 8000
"""Milliseconds of the page's own clock, which runs ahead while nothing is awaited."""

CLICKER = """<script>
addEventListener("load", () => {
  const words = WORDS;
  const step = () => {
    for (const each of document.images) each.dataset.width = each.naturalWidth;
    const seen = [...document.querySelectorAll("*")].filter(
      (each) => each.childElementCount === 0 && each.textContent.trim() === words[0]);
    if (words.length && seen.length) { words.shift(); seen[0].click(); }
    setTimeout(step, 200);
  };
  step();
});
</script></head>"""


def browser() -> str:
    """Return the browser's program; skips the test where there is none."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"needs a headless Chromium on PATH, one of: {', '.join(NAMES)}; there is none")
    return found


def opened(page: Path, room: Path, *, place: str = "", clicks: Sequence[str] = ()) -> str:
    """Return the document that a page becomes when it is opened, and clicked on in some places.

    Fails when it asks for anything outside of the file.
    """
    copy = room / "opened.html"
    script = CLICKER.replace("WORDS", json.dumps(list(clicks)))
    text = page.read_text(encoding="utf-8")
    copy.write_text(text.replace("</head>", script, 1) if clicks else text, encoding="utf-8")
    net_log = room / "net.json"
    done = subprocess.run(
        [
            browser(), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
            "--window-size=1280,1400", f"--user-data-dir={room / 'profile'}",
            "--host-resolver-rules=MAP * ~NOTFOUND", f"--log-net-log={net_log}",
            f"--virtual-time-budget={PATIENCE_MS}", f"{copy.as_uri()}{place}",
        ],
        capture_output=True, check=True, encoding="utf-8", timeout=OPEN_S,
        env={**os.environ, "HOME": str(room)},
    )  # fmt: skip
    asked = asked_for(net_log)
    if asked:
        pytest.fail(f"the page asked for {', '.join(asked)}")
    return done.stdout


def asked_for(net_log: Path) -> list[str]:
    """Return the addresses outside of files that a browser asked for, by its own record."""
    told: dict[str, Any] = json.loads(net_log.read_text(encoding="utf-8"))
    urls = (event.get("params", {}).get("url", "") for event in told["events"])
    return sorted({url for url in urls if url.startswith(("http:", "https:", "ws:", "wss:"))})
