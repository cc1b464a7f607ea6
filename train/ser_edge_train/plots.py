"""The plots of a report, as PNG files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ser_edge_train.confidence import Reliability, RiskCoverage
from ser_edge_train.metrics import Scores


@contextmanager
def _saved(path: Path, width: float, height: float, columns: int = 1) -> Iterator[Any]:
    """Yield the axes of a figure [inches], and save it."""
    with matplotlib.rc_context({"text.parse_math": False}):  # a "$" in a speaker's name is a "$"
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure.subplots(1, columns)
        FigureCanvasAgg(figure)
        figure.savefig(path, dpi=120)


def plot_confusion(path: Path, scores: Scores, labels: Sequence[str], title: str) -> None:
    """Draw a confusion matrix: colours are shares of the true class, numbers are clips."""
    counts = np.array(scores.confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    with _saved(path, 6.4, 5.6) as axes:
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for (row, column), count in np.ndenumerate(counts):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(count), ha="center", va="center", color=colour)
        axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right")
        axes.set_yticks(range(len(labels)), labels)
        axes.set(xlabel="predicted", ylabel="true", title=title)
        axes.figure.colorbar(image, label="share of the true class")


def plot_history(path: Path, history: Mapping[str, Sequence[float]]) -> None:
    """Draw loss and accuracy of training and validation by epoch."""
    points = {"marker": ".", "markersize": 4}  # makes a single epoch visible
    with _saved(path, 9, 3.6, columns=2) as both:
        for axes, name in zip(both, ("loss", "accuracy"), strict=True):
            epochs = range(1, len(history[name]) + 1)
            axes.plot(epochs, history[name], label="training, augmented", **points)
            axes.plot(epochs, history[f"val_{name}"], label="validation", **points)
            axes.set(xlabel="epoch", ylabel=name)
            axes.grid(alpha=0.3)
            axes.legend()


def plot_reliability(path: Path, before: Reliability, after: Reliability) -> None:
    """Draw a reliability diagram: accuracy by predicted probability."""
    with _saved(path, 5.2, 4.6) as axes:
        axes.plot([0, 1], [0, 1], color="0.7", linestyle="--")
        for name, found in (("before", before), ("after", after)):
            label = f"{name} temperature scaling, ECE {found.error:.1%}"
            axes.plot(found.confidence, found.accuracy, marker="o", label=label)
        axes.set(xlabel="probability of the predicted label", ylabel="accuracy")
        axes.set(xlim=(0, 1), ylim=(0, 1))
        axes.grid(alpha=0.3)
        axes.legend(loc="lower right")


def plot_risk_coverage(path: Path, curves: Mapping[str, RiskCoverage]) -> None:
    """Draw risk-coverage curves: the error rate by the share of clips that are kept."""
    with _saved(path, 5.2, 4.6) as axes:
        for name, curve in curves.items():
            axes.plot(curve.coverage, curve.risk, label=f"{name} (area {curve.area:.2f})")
        axes.set(xlabel="coverage: share of clips kept")
        axes.set(ylabel="risk: error rate", xlim=(0, 1), ylim=(0, None))
        axes.grid(alpha=0.3)
        axes.legend(loc="lower right")


def plot_speakers(path: Path, uar_of_speakers: Mapping[str, float]) -> None:
    """Draw the UAR of each test speaker, sorted."""
    ordered = sorted(uar_of_speakers.items(), key=lambda item: item[1])
    places = range(len(ordered))
    with _saved(path, max(5.2, 0.28 * len(ordered)), 3.8) as axes:
        axes.bar(places, [uar for _, uar in ordered], color="C0")
        axes.axhline(float(np.mean(list(uar_of_speakers.values()))), color="C1", label="mean")
        axes.set_xticks(places, [name for name, _ in ordered], rotation=90)
        axes.set(ylabel="UAR", ylim=(0, 1))
        axes.grid(axis="y", alpha=0.3)
        axes.legend(loc="upper left")


def plot_comparison(path: Path, scores: Mapping[str, Scores]) -> None:
    """Draw the UAR of several runs with their intervals; protocol leaky in red."""
    with _saved(path, 7.2, 1.2 + 0.5 * len(scores)) as axes:
        for place, (name, one) in enumerate(scores.items()):
            low, high = (one.uar if end is None else end for end in (one.uar_low, one.uar_high))
            axes.barh(place, one.uar, color="C3" if "leaky" in name else "C0", alpha=0.8)
            axes.plot([low, high], [place, place], color="black")
            axes.text(0.01, place, f"{one.uar:.1%}", va="center", color="white", weight="bold")
        axes.set_yticks(range(len(scores)), list(scores))
        axes.invert_yaxis()
        axes.set(xlabel="UAR, with the 95 % interval over speakers", xlim=(0, 1))
        axes.grid(axis="x", alpha=0.3)
