"""A stream's segments joined to stretches of one emotion, and how programs and people read them."""

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
    """Join neighbouring segments that say the same.

    Parameters
    ----------
    segments : iterable of Segment
        Of a `ser_edge.streaming.stream.Stream`, in their order.

    Returns
    -------
    joined : list of Segment
        Neighbours differ in label or state; of silence and of what is uncertain the label does not
        count. Probabilities are means over time.

    Examples
    --------
    >>> calm = {"happy": 0.2, "sad": 0.8}
    >>> found = merge_segments([Segment(0, 3, "sad", 0.8, calm), Segment(3, 4, "sad", 0.4, calm)])
    >>> found[0].start_s, found[0].end_s, round(found[0].probability, 3)
    (0, 4, 0.7)
    """
    return [_joined(list(group)) for _, group in groupby(segments, key=displayed_label)]


def displayed_label(segment: Segment) -> str:
    """Return the label, or ``"uncertain"`` or ``"silence"`` where there is none to be named."""
    return segment.label if segment.state == "speech" else segment.state


def _joined(group: Sequence[Segment]) -> Segment:
    seconds = np.array([segment.end_s - segment.start_s for segment in group])
    share = seconds / seconds.sum()
    names = list(group[0].probabilities)
    rows = np.array([list(segment.probabilities.values()) for segment in group])
    means = dict(zip(names, (share @ rows).tolist(), strict=True))
    probability = float(share @ [segment.probability for segment in group])
    first, last = group[0], group[-1]
    label = first.label if first.state == "speech" else max(means, key=means.__getitem__)
    return Segment(first.start_s, last.end_s, label, probability, means, first.state)


def to_table(found: Sequence[Segment]) -> str:
    """Return a line for each stretch, for people."""
    return "\n".join(
        f"{_clock(s.start_s)} - {_clock(s.end_s)}  "
        + (f"{s.label:<9}  {s.probability:4.0%}" if s.state == "speech" else s.state)
        for s in found
    )


def to_json(found: Sequence[Segment]) -> str:
    """Return a JSON array of all that is known of the stretches."""
    return json.dumps([asdict(segment) for segment in found], indent=1)


def to_csv(found: Sequence[Segment]) -> str:
    """Return a CSV: a column for each label's probability beside times, label and state."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    labels = list(found[0].probabilities) if found else []
    rows.writerow(["start_s", "end_s", "label", "probability", "state", *labels])
    for s in found:
        shares = [f"{share:.4f}" for share in s.probabilities.values()]
        times = [f"{s.start_s:.3f}", f"{s.end_s:.3f}"]
        rows.writerow([*times, s.label, f"{s.probability:.4f}", s.state, *shares])
    return text.getvalue().rstrip("\n")


def to_vtt(found: Sequence[Segment]) -> str:
    """Return WebVTT, which players show as captions; silence and uncertainty have none."""
    cues = [
        f"{_clock(s.start_s)} --> {_clock(s.end_s)}\n{s.label} ({s.probability:.0%})"
        for s in found
        if s.state == "speech"
    ]
    return "\n\n".join(["WEBVTT", *cues])


def to_audacity(found: Sequence[Segment]) -> str:
    """Return a label track for Audacity's File, Import, Labels."""
    return "\n".join(f"{s.start_s:.6f}\t{s.end_s:.6f}\t{displayed_label(s)}" for s in found)


def _clock(seconds: float) -> str:
    """HH:MM:SS.mmm, as WebVTT has it."""
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
"""How `ser-edge predict --segments` can write them."""
