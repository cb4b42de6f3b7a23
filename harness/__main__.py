"""``python -m harness COMMAND ...``: what a person does with a run besides running it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

from harness.cli.clean import main as clean
from harness.cli.compare import main as compare
from harness.cli.history import main as history
from harness.cli.judge import main as judge
from harness.cli.summary import main as summary
from harness.cli.verdict import main as verdict

COMMANDS: Mapping[str, Callable[[list[str]], int]] = {
    "clean": clean,
    "compare": compare,
    "history": history,
    "judge": judge,
    "summary": summary,
    "verdict": verdict,
}
"""Each takes the words after its name and returns the exit code; its ``--help`` tells the rest."""


def main(argv: list[str]) -> int:
    """Hand over to the named command; without one of these names, say them and return 2."""
    command = COMMANDS.get(argv[0]) if argv else None
    if command is None:
        print(f"usage: python -m harness {{{','.join(sorted(COMMANDS))}}} ...", file=sys.stderr)
        return 2
    return command(argv[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
