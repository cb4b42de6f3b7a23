"""Plots as SVG, each with its figures as CSV: load by rank, GPU memory by node, steps over time.

Colours of middling lightness on no background: a page may be light or dark.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import pygal
from pygal.style import Style

# For its maps, which nobody here draws, pygal leaves an importer of an old kind on Python's list.
# Who walks that list by today's rules stumbles over it: pytest does.
sys.meta_path[:] = [finder for finder in sys.meta_path if hasattr(finder, "find_spec")]

GREY = "#7f7f7f"
STYLE = Style(
    background="transparent",
    plot_background="transparent",
    foreground=GREY,
    foreground_strong=GREY,
    foreground_subtle=GREY,
    guide_stroke_color=GREY,
    major_guide_stroke_color=GREY,
    value_background="transparent",
    value_colors=(GREY,) * 8,
    font_family="sans-serif",
    opacity=".85",
    opacity_hover="1",
    colors=("#2f8fd0", "#e0782f", "#35a06b", "#cf4f8a", "#9a7be0", "#b08d1e", "#d9534f", "#1fa3a3"),
)
_ASIDES = re.compile(r"<script\b.*?</script>|<!--.*?-->|<desc\b.*?</desc>", re.DOTALL)
"""What is for pygal's script alone, which is not there."""

WIDTH, HEIGHT = 900, 420
HIGHEST = 1400


@dataclass(frozen=True)
class Plot:
    """One plot: its name, its picture, and what it was drawn from."""

    name: str
    svg: str
    csv: str


@dataclass(frozen=True)
class Span:
    """A step from its start to its end, in seconds after the deployment's start.

    ``ready_s`` is when its worker served; ``None`` where it never did, or is no worker.
    """

    part: str
    start_s: float
    ready_s: float | None
    end_s: float


def load_plot(workers: Sequence[tuple[str, dict[int, float], Sequence[int]]]) -> Plot:
    """Plot the seconds that each rank took to load; workers as name, seconds by rank, missing."""
    ranks = sorted({rank for _, seconds, missing in workers for rank in (*seconds, *missing)})
    chart = _chart(pygal.Bar, "load time by rank", x_title="rank", y_title="seconds")
    chart.x_labels = [str(rank) for rank in ranks]
    for name, seconds, missing in workers:
        lacking = f", missing {', '.join(map(str, missing))}" if missing else ""
        chart.add(f"{name}{lacking}", [seconds.get(rank) for rank in ranks])
    rows = [
        (name, rank, seconds.get(rank, "missing"))
        for name, seconds, missing in workers
        for rank in sorted({*seconds, *missing})
    ]
    return _plot("load time by rank", chart, head=("worker", "rank", "seconds"), rows=rows)


def memory_plot(points: Sequence[tuple[str, float, str, int]]) -> Plot:
    """Plot GPU memory over time; points are node, seconds, moment, MiB of all GPUs together."""
    chart = _chart(
        pygal.XY, "GPU memory by node", x_title="seconds", y_title="MiB of all GPUs of a node"
    )
    for node in dict.fromkeys(node for node, *_ in points):
        mine = [(at, used, moment) for each, at, moment, used in points if each == node]
        chart.add(node, [{"value": (at, used), "label": moment} for at, used, moment in mine])
    return _plot(
        "GPU memory by node", chart, head=("node", "seconds", "moment", "used_mib"), rows=points
    )


def timeline_plot(spans: Sequence[Span]) -> Plot:
    """Plot every step as a line from its start to its end, with a dot where it was ready."""
    chart = _chart(
        pygal.XY, "steps over time", x_title="seconds", y_title="", height=_height(len(spans))
    )
    chart.show_legend = False
    last = len(spans) - 1
    chart.y_labels = [{"value": last - at, "label": each.part} for at, each in enumerate(spans)]
    for at, each in enumerate(spans):
        times = [each.start_s, *([each.ready_s] if each.ready_s is not None else []), each.end_s]
        chart.add(each.part, [(time, last - at) for time in times])
    rows = [
        (each.part, each.start_s, "" if each.ready_s is None else each.ready_s, each.end_s)
        for each in spans
    ]
    return _plot("steps over time", chart, head=("step", "start_s", "ready_s", "end_s"), rows=rows)


def _height(rows: int) -> int:
    return min(HIGHEST, 160 + 26 * rows)


def _chart(kind: Callable[..., pygal.Graph], title: str, **more: object) -> pygal.Graph:
    # Without `js`, pygal's pages load a script from outside.
    options = {"width": WIDTH, "height": HEIGHT, "js": (), "pretty_print": False, **more}
    return kind(title=title, style=STYLE, truncate_legend=-1, **options)


def _plot(
    name: str, chart: pygal.Graph, *, head: Sequence[str], rows: Iterable[Sequence[object]]
) -> Plot:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    chart.uuid = re.sub(r"\W", "-", name)  # else random: the same figures make the same picture
    return Plot(name, _ASIDES.sub("", chart.render(is_unicode=True)), table.getvalue())
