"""A picture of a result: how the times are spread, and what size, time and accuracy a form has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ser_edge.files import written_whole
from ser_edge_bench.result import Result, VariantResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Colours are interpreters, marks and dashes precisions, hollow is what takes samples or batches.
_COLOURS = {"litert": "#4e79a7", "tflite": "#e15759", "onnx": "#59a14f", "numeric": "#f28e2b"}
_MARKS = {"float32": "o", "float16": "s", "dynamic": "^", "int8": "D", "int8-io": "v"}
_DASHES = {"float32": "-", "float16": "--", "dynamic": ":", "int8": "-", "int8-io": "-."}


def plot_result(path: Path, result: Result) -> None:
    """Draw it into a PNG file, or another that matplotlib knows by its suffix.

    Parameters
    ----------
    path : Path
        The file to write.
    result : Result
        What was measured.

    Raises
    ------
    ModuleNotFoundError
        If there is no matplotlib.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 5), layout="constrained")
    FigureCanvasAgg(figure)
    spread, trade = figure.subplots(1, 2)
    _spread(spread, result)
    _trade(trade, result)
    figure.suptitle(f"{result.setting.bundle['name']} on {result.setting.machine.cpu}")
    figure.legend(
        *trade.get_legend_handles_labels(),
        loc="outside right center",
        fontsize="small",
        frameon=False,
    )
    with written_whole(path) as partial:
        figure.savefig(partial, dpi=110)


def _looks(variant: VariantResult) -> dict[str, Any]:
    colour = _COLOURS.get(variant.backend, "black")
    return {
        "color": colour,
        "marker": _MARKS.get(variant.precision, "x"),
        "markerfacecolor": colour if variant.input_kind == "features" else "none",
    }


def _spread(axes: Axes, result: Result) -> None:
    """Draw which share of the calls was done within which time."""
    for variant in result.variants:
        times = np.sort(np.concatenate(result.times_ms[f"{variant.name}:end_to_end"]))
        shares = np.arange(1, len(times) + 1) / len(times)
        colour, dashes = _looks(variant)["color"], _DASHES.get(variant.precision, "-")
        axes.step(times, shares, where="post", color=colour, linestyle=dashes, linewidth=1.2)
        axes.plot(np.percentile(times, 50), 0.5, markersize=7, **_looks(variant))
    for share in (0.5, 0.95):
        axes.axhline(share, color="#bbbbbb", linewidth=0.8, zorder=0)
    axes.set(xscale="log", ylim=(0, 1.01), xlabel="end to end [ms]", ylabel="share of the calls")
    axes.set_yticks([0, 0.25, 0.5, 0.75, 0.95])
    _plain(axes)
    axes.set_title("how long a recording takes", fontsize="medium")


def _trade(axes: Axes, result: Result) -> None:
    """Draw size against latency; the accuracy stands beside the name."""
    for variant in result.variants:
        axes.plot(
            variant.metrics["end_to_end.p50_ms"] or 0,
            variant.metrics["size_kb"] or 0,
            linestyle="none",
            markersize=9,
            alpha=0.85,  # one file in two interpreters
            label=variant.name if variant.uar is None else f"{variant.name}, UAR {variant.uar:.1%}",
            **_looks(variant),
        )
    axes.set(xlabel="end to end, p50 [ms]", ylabel="file [kB]")
    axes.margins(0.15)
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.set_title("size, time and accuracy", fontsize="medium")
    axes.grid(color="#eeeeee")
    axes.set_axisbelow(True)


def _plain(axes: Axes) -> None:
    """Write 5 and 10 on a logarithmic axis, not powers of ten."""
    from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

    axes.xaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 4, 5, 6, 8)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
