"""Merged segments of a stream, and the formats in which they are written."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from itertools import groupby

import numpy as np

from ser_edge.prediction import Segment


def merge_segments(segments: Iterable[Segment]) -> list[Segment]:
    """Merge adjacent segments of the same label and state.

    Parameters
    ----------
    segments : iterable of Segment
        Consecutive segments of a `ser_edge.streaming.stream.Stream`.

    Returns
    -------
    merged : list of Segment
        Probabilities are means over time.

    Examples
    --------
    >>> calm = {"happy": 0.2, "sad": 0.8}
    >>> merged = merge_segments([Segment(0, 3, "sad", 0.8, calm), Segment(3, 4, "sad", 0.4, calm)])
    >>> merged[0].start_s, merged[0].end_s, round(merged[0].probability, 3)
    (0, 4, 0.7)
    """
    return [_merged(list(group)) for _, group in groupby(segments, key=displayed_label)]


def displayed_label(segment: Segment) -> str:
    """Return the label in state ``"speech"``, otherwise the state."""
    return segment.label or segment.state


def _merged(group: Sequence[Segment]) -> Segment:
    durations = np.array([segment.end_s - segment.start_s for segment in group])
    weights = durations / durations.sum()
    names = list(group[0].probabilities)
    rows = np.array([list(segment.probabilities.values()) for segment in group])
    means = dict(zip(names, (weights @ rows).tolist(), strict=True))
    probability = float(weights @ [segment.probability for segment in group])
    first, last = group[0], group[-1]
    return Segment(first.start_s, last.end_s, first.label, probability, means, first.state)


def to_table(segments: Sequence[Segment]) -> str:
    """Return a line of text for each segment."""
    return "\n".join(
        f"{_clock(s.start_s)} - {_clock(s.end_s)}  "
        + (f"{s.label:<9}  {s.probability:4.0%}" if s.state == "speech" else s.state)
        for s in segments
    )


def to_json(segments: Sequence[Segment]) -> str:
    """Return a JSON array with all fields."""
    return json.dumps([asdict(segment) for segment in segments], indent=1)


def to_csv(segments: Sequence[Segment]) -> str:
    """Return a CSV: times, label (empty if there is none), state, each label's probability."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    labels = list(segments[0].probabilities) if segments else []
    rows.writerow(["start_s", "end_s", "label", "probability", "state", *labels])
    for s in segments:
        values = [f"{value:.4f}" for value in s.probabilities.values()]
        times = [f"{s.start_s:.3f}", f"{s.end_s:.3f}"]
        rows.writerow([*times, s.label, f"{s.probability:.4f}", s.state, *values])
    return text.getvalue().rstrip("\n")


def to_vtt(segments: Sequence[Segment]) -> str:
    """Return WebVTT captions, of the segments in state ``"speech"``."""
    cues = [
        f"{_clock(s.start_s)} --> {_clock(s.end_s)}\n{s.label} ({s.probability:.0%})"
        for s in segments
        if s.state == "speech"
    ]
    return "\n\n".join(["WEBVTT", *cues])


def to_audacity(segments: Sequence[Segment]) -> str:
    """Return a label track for Audacity's File, Import, Labels."""
    return "\n".join(f"{s.start_s:.6f}\t{s.end_s:.6f}\t{displayed_label(s)}" for s in segments)


def _clock(seconds: float) -> str:
    """Return HH:MM:SS.mmm, the notation of WebVTT."""
    milliseconds = round(1000 * seconds)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}.{rest % 1000:03}"


FORMATS: dict[str, Callable[[Sequence[Segment]], str]] = {
    "table": to_table,
    "json": to_json,
    "csv": to_csv,
    "vtt": to_vtt,
    "audacity": to_audacity,
}
"""Writers of merged segments by format, as in `ser_edge.choices.SEGMENT_FORMATS`."""
