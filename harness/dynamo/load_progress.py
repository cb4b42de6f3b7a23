"""Pure: how far the ranks of a worker have loaded, from the worker's logs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from harness.logs import LogLine
from harness.releases import ENGINE_VERSION_LINE, MODEL_INIT_LINE, RANK_LINE

_RANK = re.compile(RANK_LINE)
_INIT = re.compile(MODEL_INIT_LINE)
_VERSION = re.compile(ENGINE_VERSION_LINE)


@dataclass
class LoadProgress:
    """What each rank has said: the world size it sees (how often), and its load time in seconds."""

    world_size: int
    world_size_lines: Counter[tuple[int, int]] = field(default_factory=Counter)
    leaders: list[int] = field(default_factory=list)
    load_seconds: dict[int, float] = field(default_factory=dict)
    engine_version: str = ""

    def add(self, lines: Iterable[LogLine]) -> bool:
        """Take in new lines of either log; return whether anything was learnt."""
        learnt = False
        for line in lines:
            learnt |= self._add_one(line)
        return learnt

    @property
    def started(self) -> set[int]:
        """Ranks that have announced themselves."""
        return {rank for rank, _ in self.world_size_lines}

    @property
    def loaded(self) -> set[int]:
        """Ranks that have said ``Model init total``."""
        return set(self.load_seconds)

    @property
    def missing(self) -> list[int]:
        """Ranks that have not finished loading."""
        return sorted(set(range(self.world_size)) - self.loaded)

    def summary(self) -> str:
        """Return one phrase for a person: ``13 of 16 ranks loaded, missing 3, 9, 14``."""
        if not self.started and not self.loaded:
            return f"0 of {self.world_size} ranks started"
        if not self.loaded:
            return f"{len(self.started)} of {self.world_size} ranks started, none loaded"
        text = f"{len(self.loaded)} of {self.world_size} ranks loaded"
        return text if not self.missing else f"{text}, missing {', '.join(map(str, self.missing))}"

    def _add_one(self, line: LogLine) -> bool:
        if line.rank is None:
            return False
        if announced := _RANK.search(line.text):
            rank = int(announced["rank"])
            self.world_size_lines[rank, int(announced["size"])] += 1
            if announced["kind"] == "leader":
                self.leaders.append(rank)
            return True
        if loaded := _INIT.search(line.text):
            self.load_seconds[line.rank] = float(loaded["seconds"])
            return True
        if version := _VERSION.search(line.text):
            self.engine_version = version["version"]
        return False
