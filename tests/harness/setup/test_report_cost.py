"""What ``benchmarks.report_cost`` makes of its figures; it measures nothing here."""

from __future__ import annotations

from benchmarks.report_cost import Cost, summary

WITHOUT = [Cost(100.0, 10.0), Cost(101.0, 10.0), Cost(500.0, 90.0)]
WITH = [Cost(102.0, 11.0, 4.04, 2.0), Cost(101.0, 11.0, 4.04, 2.0), Cost(90.0, 1.0, 4.04, 2.0)]


def test_medians_are_compared_and_the_rendering_counts() -> None:
    lines, percent = summary(WITHOUT, WITH)

    assert percent == 100 * (105.04 / 101.0 - 1)
    assert [line.split()[-2:] for line in lines[1:3]] == [["1.0000", "1.100"], ["1.0400", "1.300"]]
    assert "the rendering is 3.85 % of a run with a report" in lines
    assert lines[-1] == "a run with a report takes +4.00 % (limit 5 %)"
