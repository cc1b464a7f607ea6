"""Markdown tables with aligned columns, readable on a terminal too."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from ser_edge.terminal import printable
from ser_edge_train.metrics import Scores
from ser_edge_train.variant_comparison import VariantResult


def plain(text: object) -> str:
    r"""Return text as Markdown that shows it as it is, on one line: names of folders, licences.

    Examples
    --------
    >>> print(plain("<b>calls|2</b>"), plain("crema-d"), plain("my_calls"))
    \<b\>calls\|2\</b\> crema-d my_calls
    """
    # An underscore inside a word is no markup.
    escaped = re.sub(r"([\\`*\[\]<>|&#~]|(?<![^\W_])_|_(?![^\W_]))", r"\\\1", str(text))
    return re.sub(r"\s+", " ", escaped).strip()


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table with aligned columns; cells are Markdown, see `plain`."""
    lines = [list(header), *([printable(cell) for cell in row] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    )


def score_table(scores: Mapping[str, Scores]) -> str:
    """Return a table with a row for each set of clips."""
    return markdown_table(
        ["clips of", "clips", "speakers", "UAR", "95 % interval", "WA", "F1"],
        [
            (
                plain(name),
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


def variant_table(variants: Iterable[VariantResult], *, latency: bool = False) -> str:
    """Return a table with a row for each exported model variant in each interpreter.

    With ``latency`` it includes the time per window, which depends on the machine.
    """
    header = "file,interpreter,KiB,UAR,change,McNemar p,same label,largest change,SNR".split(",")
    return markdown_table(
        [*header[:3], *["ms"] * latency, *header[3:]],
        [
            (
                plain(variant.file),
                plain(variant.backend),
                f"{variant.size_bytes / 1024:.0f}",
                *[f"{variant.latency_ms:.3f}"] * latency,
                f"{variant.scores['all'].uar:.1%}",
                f"{100 * variant.uar_change:+.1f} points",
                f"{variant.mcnemar_p:.2f}",
                f"{variant.agreement:.1%}",
                f"{variant.largest_change:.2g}",
                "exact" if variant.snr_db is None else f"{variant.snr_db:.0f} dB",
            )
            for variant in variants
        ],
    )


def selective_prediction_table(rows: Sequence[Mapping[str, float]]) -> str:
    """Return a table of coverage, threshold and error, from `Summary.to_dict`."""
    return markdown_table(
        ["coverage", "minimum probability", "error rate"],
        [
            (f"{row['coverage']:.0%}", f"{row['threshold']:.2f}", f"{row['risk']:.1%}")
            for row in rows
        ],
    )
