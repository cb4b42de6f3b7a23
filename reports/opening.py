"""Have a page open at its first line, which says the verdict.

Allure's page scrolls to the first test by itself when it opens, and a report with many facts above
the tests then opens without its verdict in sight.
"""

from __future__ import annotations

import re

# Until the reader does something, or three seconds have passed, every scroll goes back to the top.
_SCRIPT = """<script>
    {
      const stay = (event) => { (event.target.scrollingElement || event.target).scrollTop = 0; };
      const leave = () => removeEventListener("scroll", stay, true);
      addEventListener("scroll", stay, true);
      for (const deed of ["wheel", "keydown", "pointerdown", "touchstart"]) {
        addEventListener(deed, leave, true);
      }
      setTimeout(leave, 3000);
    }
    </script>"""


def open_at_top(page: str) -> str:
    """Return ``page`` with a script at the end of its head that keeps it at the top on opening."""
    return re.sub(r"</head>", f"{_SCRIPT}\n</head>", page, count=1)
