"""Pure: what ``scontrol show node`` says of nodes. Wording holds for Slurm 21.08 to 25.05."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FIELD = re.compile(r"(?:^|\s)(NodeName|NodeAddr|State|Reason)=")
_REASON_END = re.compile(r"\s+(?:\w+=|$)")

SYMBOLS = {
    "*": "NOT_RESPONDING",
    "$": "MAINTENANCE",
    "#": "POWERING_UP",
    "%": "POWERING_DOWN",
    "~": "POWERED_DOWN",
}
"""What a sign after a state means (sinfo(1)).

``-`` (planned), ``!`` (power down to come) and ``@``, ``^`` (reboot to come) hurt nobody now.
"""

UNFIT = {
    "DOWN": "is down",
    "DRAIN": "is drained",
    "DRAINED": "is drained",
    "DRAINING": "is drained",
    "ERROR": "has an error",
    "FAIL": "is failing",
    "FAILING": "is failing",
    "FUTURE": "is not there yet",
    "INVALID_REG": "has registered with less than slurm.conf promises",
    "NOT_RESPONDING": "does not respond to slurmctld",
    "POWERED_DOWN": "is powered down",
    "POWERING_DOWN": "is being powered down",
    "POWERING_UP": "is still being powered up",
    "UNKNOWN": "is not known to be up",
}
"""States and flags with which a node is not fit for a run, in words."""


@dataclass(frozen=True)
class NodeRow:
    """One node by Slurm's word; ``state`` as printed, ``reason`` what an operator or Slurm gave."""

    name: str
    address: str
    state: str
    reason: str = ""

    @property
    def flags(self) -> tuple[str, ...]:
        """The state and its flags as words: ``DOWN*+DRAIN`` is DOWN, NOT_RESPONDING, DRAIN."""
        words: list[str] = []
        for part in self.state.split("+"):
            words.append(part.rstrip("*$!%#~@^-"))
            words += [word for sign, word in SYMBOLS.items() if sign in part]
        return tuple(words)

    @property
    def unsettled(self) -> bool:
        """Whether Slurm does not know yet: its controller has just begun to ask the nodes."""
        return "UNKNOWN" in self.flags

    @property
    def why_unfit(self) -> str:
        """Why the node is not fit for a run, with its reason; empty if it is."""
        wrong = list(dict.fromkeys(UNFIT[flag] for flag in self.flags if flag in UNFIT))
        if not wrong:
            return ""
        reason = f"reason: {self.reason}" if self.reason else "no reason is given"
        return f"{self.name} {' and '.join(wrong)} (state {self.state}; {reason})"


def parse_nodes(text: str) -> list[NodeRow]:
    """Parse ``scontrol show node --oneliner``, a node a line."""
    rows = []
    for line in text.splitlines():
        places = list(_FIELD.finditer(line))
        fields = {found[1]: line[found.end() :] for found in places}
        if "NodeName" in fields:
            name = fields["NodeName"].split()[0]
            address = (fields.get("NodeAddr", "").split() or [name])[0]
            state = (fields.get("State", "").split() or ["UNKNOWN"])[0]
            reason = _REASON_END.split(fields.get("Reason", ""), maxsplit=1)[0].strip()
            rows.append(NodeRow(name, address, state, reason))
    return rows
