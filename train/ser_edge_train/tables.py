"""Tables as text: Markdown whose columns also line up on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ser_edge_train.metrics import Scores
from ser_edge_train.variant_comparison import VariantResult


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Lay out a Markdown table whose columns also line up on a terminal."""
    lines = [list(header), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    )


def score_table(scores: Mapping[str, Scores]) -> str:
    """Return a Markdown table with a row for each set of clips."""
    return markdown_table(
        ["clips of", "clips", "speakers", "UAR", "95 % interval", "WA", "F1"],
        [
            (
                name,
                s.n_clips,
                s.n_speakers,
                f"{s.uar:.1%}",
                s.interval,
                f"{s.wa:.1%}",
                f"{s.f1:.1%}",
            )
            for name, s in scores.items()
        ],
    )


def variant_table(forms: Iterable[VariantResult], *, latency: bool = False) -> str:
    """Return a Markdown table with a row for each exported form in each interpreter.

    With ``latency`` it has the time of a window [ms], which is another on each machine and day.
    """
    header = "file,interpreter,KiB,UAR,change,McNemar p,same label,largest change,SNR".split(",")
    return markdown_table(
        [*header[:3], *["ms"] * latency, *header[3:]],
        [
            (
                form.file,
                form.backend,
                f"{form.size_bytes / 1024:.0f}",
                *[f"{form.latency_ms:.3f}"] * latency,
                f"{form.scores['all'].uar:.1%}",
                f"{100 * form.uar_change:+.1f} points",
                f"{form.mcnemar_p:.2f}",
                f"{form.agreement:.1%}",
                f"{form.largest_change:.2g}",
                "exact" if form.snr_db is None else f"{form.snr_db:.0f} dB",
            )
            for form in forms
        ],
    )


def selective_prediction_table(rows: Sequence[Mapping[str, float]]) -> str:
    """Show what is gained by answering fewer clips, the ``abstaining`` of `Summary.to_dict`."""
    return markdown_table(
        ["clips answered", "those with a probability of at least", "wrong of those"],
        [
            (f"{row['coverage']:.0%}", f"{row['threshold']:.2f}", f"{row['risk']:.1%}")
            for row in rows
        ],
    )
