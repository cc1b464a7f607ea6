"""A picture of a recording: waveform, emotions as a ribbon, probabilities over time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ser_edge.errors import SerEdgeError
from ser_edge.files import written_whole
from ser_edge.prediction import Segment
from ser_edge.streaming.segments import displayed_label, merge_segments
from ser_edge.streaming.timeline import Timeline

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = {
    "neutral": "#8c8c8c",
    "calm": "#76b7b2",
    "happy": "#edc948",
    "sad": "#4e79a7",
    "angry": "#e15759",
    "fear": "#b07aa1",
    "disgust": "#59a14f",
    "surprise": "#f28e2b",
    "uncertain": "#d9d9d9",
    "silence": "#ffffff",
}
_MORE_COLOURS = ("#9c755f", "#ff9da7", "#bab0ac", "#86bcb6")  # for labels of other networks


def check_picture(path: Path) -> None:
    """See that there is matplotlib, and that it can write such a file.

    Raises
    ------
    ModuleNotFoundError
        If there is no matplotlib.
    SerEdgeError
        If the suffix is of no picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    if path.suffix[1:].lower() not in FigureCanvasAgg.filetypes:
        raise SerEdgeError(f"{path}: is no picture; expected a name in .png, .svg or .pdf")


def plot_timeline(path: Path, timeline: Timeline) -> None:
    """Draw it into a PNG file, or another that matplotlib knows by its suffix.

    Parameters
    ----------
    path : Path
        The file to write.
    timeline : Timeline
        What was heard.

    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    segments, seconds = timeline.segments, timeline.seconds
    labels = list(segments[0].probabilities)
    names = [*labels, "uncertain", "silence"]
    others = dict(
        zip((name for name in names if name not in _COLOURS), _MORE_COLOURS, strict=False)
    )
    colours = {name: _COLOURS.get(name) or others.get(name, "black") for name in names}
    figure = Figure(figsize=(11, 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    wave, ribbon, shares = figure.subplots(3, sharex=True, height_ratios=(2, 0.5, 3))
    time = np.linspace(0, seconds, len(timeline.envelope))
    wave.fill_between(time, *timeline.envelope.T, color="#555555", linewidth=0)
    wave.set_ylabel("waveform")
    wave.set_xlim(0, seconds)
    for stretch in merge_segments(segments):
        ribbon.axvspan(
            stretch.start_s, stretch.end_s, color=colours[displayed_label(stretch)], linewidth=0
        )
    ribbon.set_yticks([])
    ribbon.set_ylabel("emotion", rotation=0, ha="right", va="center")
    ribbon.legend(
        handles=[Patch(facecolor=colours[n], edgecolor="#888888", label=n) for n in names],
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=len(names),
        fontsize="small",
        frameon=False,
    )
    _stack(shares, segments, labels, colours)
    with written_whole(path) as partial:
        figure.savefig(partial, dpi=110)


def _stack(
    axes: Axes, segments: Sequence[Segment], labels: Sequence[str], colours: dict[str, str]
) -> None:
    edges = np.array([segments[0].start_s, *(segment.end_s for segment in segments)])
    rows = np.array([list(segment.probabilities.values()) for segment in segments])
    silent = np.array([segment.state == "silence" for segment in segments])
    rows[silent] = np.nan
    # Each value from the segment's start to its end.
    steps = np.repeat(rows, 2, axis=0).T
    axes.stackplot(
        np.repeat(edges, 2)[1:-1], steps, colors=[colours[label] for label in labels], linewidth=0
    )
    axes.set(ylim=(0, 1), ylabel="probability", xlabel="time [s]")
