"""A picture of a result: the stages of each variant with their spread, and size against time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ser_edge.files import written_whole
from ser_edge_bench.figures import SHARED_STAGES, VariantFigures
from ser_edge_bench.result import BenchResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STAGES = {"decode": "#bab0ac", "resample": "#76b7b2", "features": "#4e79a7", "network": "#f28e2b"}
# In the scatter plot colours are interpreters and marks precisions; other inputs are hollow.
_BACKENDS = {"litert": "#4e79a7", "tflite": "#e15759", "onnx": "#59a14f", "numeric": "#f28e2b"}
_MARKS = {"float32": "o", "float16": "s", "dynamic": "^", "int8": "D", "int8-io": "v"}


def plot_result(path: Path, result: BenchResult) -> None:
    """Draw one variant's stages and their spread, or several variants' stages, size and time.

    `ModuleNotFoundError` if matplotlib is missing.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    several = len(result.variants) > 1
    figure = Figure(layout="constrained")
    FigureCanvasAgg(figure)
    if several:
        figure.set_size_inches(13, 2.2 + 0.5 * max(len(result.variants), 5))
        stages, other = figure.subplots(1, 2, width_ratios=(3, 2))
        _draw_size(other, result)
    else:
        figure.set_size_inches(9, 5)
        stages, other = figure.subplots(2, 1, height_ratios=(1, 2))
        _draw_spread(other, result)
    _draw_stages(stages, result)
    figure.suptitle(f"{result.setting.bundle['name']} on {result.setting.machine.cpu}")
    patches = [Patch(color=colour, label=stage) for stage, colour in _STAGES.items()]
    figure.legend(handles=patches, loc="outside lower left", ncols=len(patches), frameon=False)
    with written_whole(path) as partial:
        figure.savefig(partial, dpi=110)


def _draw_stages(axes: Axes, result: BenchResult) -> None:
    """Draw the medians of the stages as stacked bars, and the end-to-end time below."""
    for row, variant in enumerate(result.variants):
        left = 0.0
        for stage, colour in _STAGES.items():
            width = variant.metrics[f"{stage}.p50_ms"] or 0.0
            axes.barh(row, width, 0.5, left, color=colour)
            left += width
        _whisker(axes, row + 0.38, _times(result, variant, "end_to_end"), "black")
    axes.set_yticks(range(len(result.variants)), [variant.name for variant in result.variants])
    axes.set(ylim=(len(result.variants) - 0.4, -0.4), xlabel="time [ms]")
    axes.set_xlim(left=0)
    axes.set_title("stages (median), and below each bar end to end (p5 to p95)", fontsize="medium")
    _clean(axes)


def _draw_spread(axes: Axes, result: BenchResult) -> None:
    """Draw the spread of each stage of the only variant."""
    from matplotlib.ticker import LogLocator, NullFormatter

    (variant,) = result.variants
    stages = [s for s in (*_STAGES, "end_to_end") if variant.metrics[f"{s}.p50_ms"] is not None]
    for row, stage in enumerate(stages):
        middle = _whisker(axes, row, _times(result, variant, stage), _STAGES.get(stage, "black"))
        axes.text(middle, row - 0.25, f"{middle:.3g} ms", ha="center", fontsize="small")
    axes.set_yticks(range(len(stages)), [stage.replace("_", " ") for stage in stages])
    axes.set(ylim=(len(stages) - 0.5, -0.9), xscale="log", xlabel="time [ms]")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_title("spread: median, p25 to p75 (thick), p5 to p95 (thin)", fontsize="medium")
    _clean(axes)


def _draw_size(axes: Axes, result: BenchResult) -> None:
    """Draw the size of each file against its time; the legend has the accuracy."""
    for variant in result.variants:
        colour = _BACKENDS.get(variant.backend, "black")
        axes.plot(
            variant.metrics["end_to_end.p50_ms"] or 0,
            variant.metrics["size_kb"] or 0,
            linestyle="none",
            marker=_MARKS.get(variant.precision, "x"),
            color=colour,
            markerfacecolor=colour if variant.input_kind == "features" else "none",
            markersize=9,
            alpha=0.85,  # one file in two interpreters
            label=variant.name if variant.uar is None else f"{variant.name}, UAR {variant.uar:.1%}",
        )
    axes.set_xlim(0, 1.15 * axes.dataLim.x1)
    axes.set_ylim(0, 1.15 * axes.dataLim.y1)
    axes.set(xlabel="end to end, median [ms]", ylabel="file [kB]")
    axes.set_title("size, time and accuracy", fontsize="medium")
    axes.legend(fontsize="small", frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    _clean(axes)


def _times(result: BenchResult, variant: VariantFigures, stage: str) -> list[list[float]]:
    return result.times_ms[stage if stage in SHARED_STAGES else f"{variant.name}:{stage}"]


def _whisker(axes: Axes, row: float, times: list[list[float]], colour: str) -> float:
    """Draw p5 to p95 as a line, p25 to p75 as a thick one, and the median; return this."""
    low, first, middle, third, high = np.percentile(np.concatenate(times), (5, 25, 50, 75, 95))
    axes.hlines(row, low, high, colors=colour, linewidth=1)
    axes.hlines(row, first, third, colors=colour, linewidth=4)
    axes.plot(middle, row, "|", color="black", markersize=11)
    return float(middle)


def _clean(axes: Axes) -> None:
    axes.grid(axis="x", color="#e5e5e5")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
