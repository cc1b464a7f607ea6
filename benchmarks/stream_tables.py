"""What docs/raspberry-pi.md shows of ``results/stream_costs.json``, and the report too."""

from __future__ import annotations

from typing import Any

import record
from filled import fill
from ser_edge_train.tables import markdown_table

DOCUMENT = record.ROOT / "docs" / "raspberry-pi.md"
MARK = "stream:costs"


def write(found: dict[str, Any]) -> str:
    """Fill the document, and return what stands there now."""
    text = costs(found)
    fill(DOCUMENT, MARK, text)
    return text


def costs(found: dict[str, Any]) -> str:
    """Lay out what a hop costs, and what hours do."""
    header = [
        "hop",
        "a hop",
        "its features, of a whole window's",
        "of a window's features and network",
        "real-time factor",
    ]
    rows = [
        (
            f"{hop['hop_s']} s",
            f"{hop['ms']:.2f} ms",
            f"{hop['features_share']:.1%}",
            f"{hop['share']:.1%}",
            f"{hop['real_time_factor']:.5f}",
        )
        for hop in found["hops"]
    ]
    hours = found["hours"]
    memory = [f"{mib:.1f} MiB" for mib in (hours["opened_mib"], *hours["resident_mib"])]
    return "\n".join(
        [
            f"A whole window: features {found['window_features_ms']:.2f} ms, "
            f"network {found['window_network_ms']:.3f} ms.\n",
            f"{markdown_table(header, rows)}\n",
            f"{hours['hours']:g} hours at {hours['rate']} Hz in chunks of 50 ms: real-time factor "
            f"{hours['real_time_factor']:.5f}, memory {memory[0]} with the bundle open, "
            f"{memory[1]} after a tenth and {memory[-1]} at the end; the last segment ends "
            f"{hours['last_segment_ends_before_s']:.3f} s before the sound; a hop is "
            f"{hours['hop_s']:.3f} s.",
        ]
    )
