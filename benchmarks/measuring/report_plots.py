"""The plots of ``results/REPORT.md``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from measuring import results

Found = dict[str, Any]
MARKERS = {"litert": "o", "tflite": "s", "onnx": "^", "numeric": "D"}
INTERPRETERS = {
    "litert": "LiteRT",
    "tflite": "tflite-runtime",
    "onnx": "ONNX Runtime",
    "numeric": "NumPy",
}


def draw(folder: Path = results.RESULTS) -> None:
    """Draw a plot of each results file that is there."""
    for name, plot in PLOTS.items():
        found = results.read(name, folder)
        if found is not None:
            partial = folder / f".{name}.partial.png"
            plot(found).savefig(partial, dpi=80, metadata={"Software": None})
            partial.replace(folder / f"{name}.png")


def _features(found: Found) -> Figure:
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    warm, stages = figure.subplots(1, 2)
    generations = found["numpy"]["generations"]
    names = list(generations[0]["times"])
    height = 0.8 / len(generations)
    for number, one in enumerate(generations):
        ms = [one["times"][name]["ms"] for name in names]
        places = np.arange(len(names)) + number * height
        bars = warm.barh(places, ms, height, label=f"NumPy {one['numpy']}")
        warm.bar_label(bars, fmt="%.2f", padding=3, fontsize="small")
    warm.set_yticks(np.arange(len(names)) + height * (len(generations) - 1) / 2, names)
    warm.invert_yaxis()
    warm.margins(x=0.12)
    warm.set(xlabel="2.5 s of speech [ms]", title="all features, one thread")
    warm.legend()
    bottom = np.zeros(len(found["stages_ms"]))
    for stage in next(iter(found["stages_ms"].values())):
        ms = [of_stages[stage] for of_stages in found["stages_ms"].values()]
        stages.barh(list(found["stages_ms"]), ms, left=bottom, label=stage)
        bottom += ms
    stages.invert_yaxis()
    stages.set(xlabel="[ms]", title="by stage")
    stages.legend(fontsize="small")
    return figure


def _parity(found: Found) -> Figure:
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    same, files = figure.subplots(1, 2, sharey=True)
    edges = 10 ** np.asarray(found["decades"])
    for axes, group, width in (
        (same, "same samples", 1.8),
        (files, "inside", 1.8),
        (files, "edges", 0.8),
    ):
        for number, name in enumerate(("zcr", "rms", "mfcc")):
            if name in found["histograms"].get(group, {}):
                histogram = found["histograms"][group][name]
                total = max(histogram["exact"] + sum(histogram["counts"]), 1)
                label = f"{name.upper()}, {histogram['exact'] / total:.0%} exactly equal"
                axes.stairs(
                    np.asarray(histogram["counts"]) / total,
                    edges,
                    color=f"C{number}",
                    linewidth=width,
                    label=None if group == "edges" else label,
                )
        axes.set(xscale="log", xlim=(7e-11, 1e3))
        axes.set_xlabel("absolute difference from librosa (first bin: and below)")
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize="small")
    same.set(title="same samples", ylabel="share of all values")
    same.yaxis.set_major_formatter(PercentFormatter(1))
    files.set_title("files: thick 50 ms inside, thin at the edges")
    return figure


def _models(found: Found) -> Figure:
    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots()
    for number, bundle in enumerate(found["bundles"]):
        colour = f"C{number}"
        variants = [v for v in bundle["variants"] if v["input_kind"] == "features"]
        for variant in variants:
            if variant["uar"] is not None:
                axes.scatter(
                    variant["ms"],
                    variant["uar"],
                    s=2.2 * variant["size_kib"] ** 0.6 + 12,
                    marker=MARKERS[variant["backend"]],
                    facecolor=colour,
                    edgecolor="black",
                    linewidth=0.6,
                    alpha=0.65,
                )
        sizes = [variant["size_kib"] for variant in variants]
        name = f"{bundle['name']} ({bundle['recipe']})"
        label = f"{name}, {min(sizes):.0f} to {max(sizes):.0f} KiB"
        axes.scatter([], [], color=colour, label=label)
        axes.axvline(bundle["features"]["ms"], color=colour, linestyle=":", linewidth=1)
    for backend, marker in MARKERS.items():
        outline: dict[str, Any] = {"marker": marker, "facecolor": "none", "edgecolor": "black"}
        axes.scatter([], [], label=INTERPRETERS[backend], **outline)
    axes.set(xscale="log", ylabel="UAR on speakers not in training")
    axes.set_xlabel("network on one window, one thread [ms]; dotted: features of the window")
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=1))
    axes.grid(alpha=0.3, which="both")
    figure.legend(loc="outside right upper", fontsize="small", title="area: file size")
    return figure


def _start(found: Found) -> Figure:
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    medians = found["medians"]["one thread"]
    colours = ["C0" if name.startswith("ser-edge") else "C3" for name in medians]
    for axes, key in ((left, "cpu_s"), (right, "peak_mib")):
        bars = axes.barh(list(medians), [cost[key] for cost in medians.values()], color=colours)
        axes.bar_label(bars, fmt="%.3g", padding=3, fontsize="small")
        axes.margins(x=0.15)
    left.set_xlabel("CPU time [s]")
    right.set_xlabel("peak memory [MiB]")
    left.invert_yaxis()
    return figure


def _stream(found: Found) -> Figure:
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    memory, cost = figure.subplots(1, 2)
    hours = found["hours"]
    resident = [hours["opened_mib"], *hours["resident_mib"]]
    memory.plot(np.linspace(0, hours["hours"], len(resident)), resident, "-o", markersize=4)
    memory.set(xlabel="sound processed [h]", ylabel="resident memory [MiB]")
    memory.set_ylim(0, 1.2 * max(resident))
    memory.grid(alpha=0.3)
    names = [f"{hop['hop_s']} s" for hop in found["hops"]]
    bars = cost.bar(names, [hop["ms"] for hop in found["hops"]])
    cost.bar_label(bars, fmt="%.2f", fontsize="small")
    whole = found["window_features_ms"] + found["window_network_ms"]
    cost.axhline(whole, color="C3", linestyle="--", label="a whole window from scratch")
    cost.set(xlabel="hop", ylabel="time per hop [ms]")
    cost.margins(y=0.15)
    cost.legend(fontsize="small")
    return figure


def _scale(found: Found) -> Figure:
    figure = Figure(figsize=(10, 7), layout="constrained")
    (length, batch), (threads, clips) = figure.subplots(2, 2)
    _curves(length, found["length_s"], "clip length [s]")
    _curves(batch, found["batch"], "batch size [windows]")
    _curves(clips, found["clips"], "clips in one `ser-edge predict`")
    counts = found["threads"]["counts"]
    for name, ms in found["threads"]["inference_ms"].items():
        threads.plot(counts, np.asarray(ms) / ms[0], "-o", markersize=4, label=f"time, {name}")
    rates = np.asarray(found["threads"]["shared_predictions_per_s"])
    threads.plot(counts, rates / rates[0], "--sk", label="predictions per second, shared")
    threads.set(xlabel="threads", ylabel="relative to one thread", ylim=(0, None), xticks=counts)
    threads.grid(alpha=0.3)
    threads.legend(fontsize="x-small")
    return figure


def _curves(axes: Axes, curves: dict[str, Found], label: str) -> None:
    for number, (name, curve) in enumerate(curves.items()):
        size = np.asarray(curve["size"], float)
        colour = f"C{number}"
        axes.plot(size, curve["ms"], "o", color=colour, markersize=4)
        fitted = curve["intercept_ms"] + curve["slope_ms"] * size
        text = f"{name}: {curve['intercept_ms']:.2g} + {curve['slope_ms']:.2g} n"
        axes.plot(size, fitted, color=colour, linewidth=1, label=text)
    axes.set(xscale="log", yscale="log", xlabel=label, ylabel="[ms]")
    axes.grid(alpha=0.3)
    if curves:
        bottom, top = axes.get_ylim()
        axes.set_ylim(bottom, top * (top / bottom) ** (len(curves) / 12))  # room for the legend
        axes.legend(fontsize="x-small", loc="upper left")


PLOTS = {
    "feature_speed": _features,
    "parity": _parity,
    "model_variants": _models,
    "startup": _start,
    "stream_cost": _stream,
    "scaling": _scale,
}
