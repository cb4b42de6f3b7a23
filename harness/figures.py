"""Names and units of the figures that a load gives."""

from __future__ import annotations

from collections.abc import Mapping

PERCENTILES = (50, 90, 99)
FIGURES: Mapping[str, str] = {
    **{f"first_token_p{share}": "s" for share in PERCENTILES},
    **{f"gap_p{share}": "s" for share in PERCENTILES},
    **{f"whole_p{share}": "s" for share in PERCENTILES},
    "throughput": "tokens/s",
}
"""Every figure by name, with its unit."""

MAIN_FIGURES = frozenset({"first_token_p50", "gap_p99", "throughput"})
"""What the end of a run shows of each crowd; the report and the file have all."""
