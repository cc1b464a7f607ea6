"""The plot of a timeline: waveform, labels as a ribbon, probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ser_edge.errors import ConfigError
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
    """Raise an error if matplotlib is not installed or cannot write a file with this suffix."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    if path.suffix[1:].lower() not in FigureCanvasAgg.filetypes:
        raise ConfigError(
            f"{path.suffix!r} is not an image format",
            "choose a name that ends in .png, .svg or .pdf",
            path,
        )


def plot_timeline(path: Path, timeline: Timeline) -> None:
    """Plot a timeline into a file.

    Parameters
    ----------
    path : Path
        The file to write; its suffix decides the format.
    timeline : Timeline
        See `ser_edge.streaming.timeline.analyze`.

    Raises
    ------
    SerEdgeError
        If the file cannot be written.
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
    wave, ribbon, stack = figure.subplots(3, sharex=True, height_ratios=(2, 0.5, 3))
    time = np.linspace(0, seconds, len(timeline.envelope))
    wave.fill_between(time, *timeline.envelope.T, color="#555555", linewidth=0)
    wave.set_ylabel("waveform")
    wave.set_xlim(0, seconds)
    for merged in merge_segments(segments):
        colour = colours[displayed_label(merged)]
        ribbon.axvspan(merged.start_s, merged.end_s, color=colour, linewidth=0)
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
    _stack(stack, segments, labels, colours)
    with written_whole(path) as partial:
        figure.savefig(partial, dpi=110)


def _stack(
    axes: Axes, segments: Sequence[Segment], labels: Sequence[str], colours: dict[str, str]
) -> None:
    edges = np.array([segments[0].start_s, *(segment.end_s for segment in segments)])
    rows = np.array([list(segment.probabilities.values()) for segment in segments])
    silent = np.array([segment.state == "silence" for segment in segments])
    rows[silent] = np.nan
    # Constant from a segment's start to its end.
    steps = np.repeat(rows, 2, axis=0).T
    axes.stackplot(
        np.repeat(edges, 2)[1:-1], steps, colors=[colours[label] for label in labels], linewidth=0
    )
    axes.set(ylim=(0, 1), ylabel="probability", xlabel="time [s]")
