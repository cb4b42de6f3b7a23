"""A headless Chromium, if the machine has one: opens a file with the network cut.

It is driven by its command line alone. What a reader would click on is clicked by a script that is
put into a copy of the page; it also notes how wide every picture came out, in ``data-width``, and
marks what is seen at the middle of the screen with ``data-seen``.
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

from harness.settings import PROJECT_ROOT

NAMES = ("chromium-headless-shell", "chromium", "google-chrome", "chromium-browser")
OPEN_S = 60.0
SCREEN = "1400,900"
"""Width and height of the window, in pixels: that of a small laptop."""

SCREENSHOTS = PROJECT_ROOT / "runs" / "screenshots"
"""Where pictures are kept for whoever wants to see what the tests have seen."""

PATIENCE_MS = 8000
"""Milliseconds of the page's own clock, which runs ahead while nothing is awaited."""

CLICKER = """<script>
addEventListener("load", () => {
  const words = WORDS;
  const step = () => {
    for (const each of document.images) each.dataset.width = each.naturalWidth;
    for (const each of document.querySelectorAll("[data-seen]")) delete each.dataset.seen;
    let top = document.elementFromPoint(innerWidth / 2, 300);
    for (; top; top = top.parentElement) top.dataset.seen = 1;
    const own = (each) => [...each.childNodes].map((node) => node.nodeType === 3 ? node.data : "");
    const seen = [...document.querySelectorAll("body *")].filter(
      (each) => own(each).join("").trim() === words[0] && each.checkVisibility());
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
    copy.write_text(text.replace("</head>", script, 1), encoding="utf-8")
    net_log = room / "net.json"
    document = _run(room, "--dump-dom", f"--log-net-log={net_log}", f"{copy.as_uri()}{place}")
    asked = asked_for(net_log)
    if asked:
        pytest.fail(f"the page asked for {', '.join(asked)}")
    return document


def keep_screenshot(page: Path, room: Path, *, name: str, dark: bool = False) -> Path:
    """Keep a picture of a page's first screen in :data:`SCREENSHOTS`, and return it."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    picture = SCREENSHOTS / f"{name}.png"
    picture.unlink(missing_ok=True)
    scheme = ["--force-dark-mode", "--blink-settings=preferredColorScheme=0"] if dark else []
    _run(room, f"--screenshot={picture}", "--hide-scrollbars", *scheme, page.as_uri())
    return picture


def _run(room: Path, *words: str) -> str:
    command = [
        browser(), "--headless", "--no-sandbox", "--disable-gpu",
        f"--window-size={SCREEN}", f"--user-data-dir={room / 'profile'}",
        "--host-resolver-rules=MAP * ~NOTFOUND", f"--virtual-time-budget={PATIENCE_MS}",
    ]  # fmt: skip
    return subprocess.run(
        [*command, *words], capture_output=True, check=True, encoding="utf-8", timeout=OPEN_S,
        env={**os.environ, "HOME": str(room)},
    ).stdout  # fmt: skip


def asked_for(net_log: Path) -> list[str]:
    """Return the addresses outside of files that a browser asked for, by its own record."""
    told: dict[str, Any] = json.loads(net_log.read_text(encoding="utf-8"))
    urls = (event.get("params", {}).get("url", "") for event in told["events"])
    return sorted({url for url in urls if url.startswith(("http:", "https:", "ws:", "wss:"))})
