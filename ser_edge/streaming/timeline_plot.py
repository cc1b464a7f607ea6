"""The plot of a timeline: waveform, labels as a ribbon, probabilities."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

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
_MAX_BINS = 200  # of labels and probabilities: 5 pixels or more each
_MAX_COLUMNS = 1000  # of the waveform
_MINUTES_FROM_S = 180.0  # from here on the axis shows minutes
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


def plot_timeline(path: Path, timeline: Timeline, *, title: str = "") -> None:
    """Plot a timeline into a file.

    Parameters
    ----------
    path : Path
        The file to write; its suffix decides the format.
    timeline : Timeline
        See `ser_edge.streaming.timeline.analyze`. In a long one, up to 200 parts of equal length
        have the label of most of their time without silence.
    title : str
        The recording's name.

    Raises
    ------
    SerEdgeError
        If the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    segments, seconds = binned(timeline.segments, _MAX_BINS), timeline.seconds
    labels = list(segments[0].probabilities)
    names = [*labels, "uncertain", "silence"]
    others = dict(
        zip((name for name in names if name not in _COLOURS), _MORE_COLOURS, strict=False)
    )
    colours = {name: _COLOURS.get(name) or others.get(name, "black") for name in names}
    figure = Figure(figsize=(11, 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    wave, ribbon, stack = figure.subplots(3, sharex=True, height_ratios=(2, 0.5, 3))
    envelope = _narrow(timeline.envelope)
    time = np.linspace(0, seconds, len(envelope))
    wave.fill_between(time, *envelope.T, color="#555555", linewidth=0)
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
    if seconds > _MINUTES_FROM_S:
        _show_minutes(stack)
    # File names may hold anything: formulas, line breaks, bytes that are no text, rare letters.
    shown = "".join(char if char.isprintable() else "\ufffd" for char in title)
    if shown:
        figure.suptitle(shown, parse_math=False, fontsize="medium")
    with written_whole(path) as partial, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        figure.savefig(partial, dpi=110)


def binned(segments: Sequence[Segment], max_bins: int) -> list[Segment]:
    """Join neighbours to at most `max_bins` segments of about the same number.

    Parameters
    ----------
    segments : sequence of Segment
        Consecutive ones.
    max_bins : int > 0
        Number of segments to return.

    Returns
    -------
    joined : list of Segment
        Label and state are those of most of the time, probabilities are means over time; both
        without the silent segments, unless all are silent.
    """
    size = -(-len(segments) // max_bins)
    return [_joined(segments[i : i + size]) for i in range(0, len(segments), size)]


def _joined(group: Sequence[Segment]) -> Segment:
    audible = [segment for segment in group if segment.state != "silence"] or group
    lengths_s = np.array([segment.end_s - segment.start_s for segment in audible])
    durations_s: dict[str, float] = {}
    for segment, length_s in zip(audible, lengths_s.tolist(), strict=True):
        shown = displayed_label(segment)
        durations_s[shown] = durations_s.get(shown, 0.0) + length_s
    most = max(durations_s, key=durations_s.__getitem__)
    kind = next(segment for segment in audible if displayed_label(segment) == most)
    rows = np.array([list(segment.probabilities.values()) for segment in audible])
    average = (lengths_s @ rows / lengths_s.sum()).tolist()
    means = dict(zip(kind.probabilities, average, strict=True))
    start_s, end_s = group[0].start_s, group[-1].end_s
    return Segment(start_s, end_s, kind.label, max(average), means, kind.state)


def _narrow(envelope: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the lowest and highest values of at most `_MAX_COLUMNS` parts."""
    size = -(-len(envelope) // _MAX_COLUMNS)
    starts = np.arange(0, len(envelope), size)
    low = np.minimum.reduceat(envelope[:, 0], starts)
    return np.stack([low, np.maximum.reduceat(envelope[:, 1], starts)], axis=1)


def _show_minutes(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    def clock(seconds: float, _: int) -> str:
        return f"{int(seconds) // 60}:{int(seconds) % 60:02}"

    axes.xaxis.set_major_locator(MaxNLocator(nbins=9, steps=[1, 1.2, 1.5, 3, 6, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(clock))
    axes.set_xlabel("time [min:s]")


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
