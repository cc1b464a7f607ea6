"""What a person reads of a run: ``report.md``, two plots, tables as text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.metrics import classification_report

from ser_edge_train.forms import FormResult
from ser_edge_train.metrics import Scores
from ser_edge_train.run import RunSettings


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Lay out a Markdown table whose columns also line up on a terminal."""
    lines = [list(header), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    )


def score_table(scores: Mapping[str, Scores]) -> str:
    """Return a Markdown table with a row for each set of clips."""
    return markdown_table(
        ["clips of", "clips", "speakers", "UA", "95 % interval", "WA", "F1"],
        [
            (
                name,
                s.n_clips,
                s.n_speakers,
                f"{s.ua:.1%}",
                s.interval,
                f"{s.wa:.1%}",
                f"{s.f1:.1%}",
            )
            for name, s in scores.items()
        ],
    )


def write_report(
    folder: Path,
    settings: RunSettings,
    scores: Mapping[str, Scores],
    history: Mapping[str, Sequence[float]],
) -> None:
    """Write ``report.md`` and what it shows, ``metrics.json`` and the classification report."""
    about, labels = settings.about, settings.labels
    protocol = protocol_name(about)
    whole = scores["all"]
    plot_confusion(folder / "confusion_matrix.png", whole, labels, f"{settings.name}: {protocol}")
    plot_history(folder / "learning_curves.png", history)
    (folder / "metrics.json").write_text(json.dumps(about["metrics"], indent=1) + "\n")
    (folder / "classification_report.txt").write_text(classification_table(whole, labels))
    corpora = markdown_table(
        ["corpus", "clips", "speakers", "in training", "licence"],
        [
            (name, c["clips"], c["speakers"], "yes" if c["trained_on"] else "no", c["licence"])
            for name, c in about["corpora"].items()
        ],
    )
    notes = "\n".join(f"- {note}" for note in about["protocol"]["notes"])
    (folder / "report.md").write_text(
        f"""# {settings.name}

Recipe `{settings.recipe.name}`, protocol **{protocol}**, {about["parameters"]:,} parameters,
{about["epochs"]} epochs, temperature {settings.temperature:.2f}.

{score_table(scores)}

UA is the unweighted average recall, WA the accuracy. The interval is a bootstrap over the test
speakers. Float32 Keras model; `ser-edge evaluate` gives the exported forms.

{notes}

## Data

{corpora}

`split.csv` tells which clip went where.

## Recall by class

```
{classification_table(whole, labels)}```

![confusion matrix](confusion_matrix.png)

![learning curves](learning_curves.png)

Made with {", ".join(f"{name} {number}" for name, number in about["versions"].items())}.
""",
        encoding="utf-8",
    )


def protocol_name(about: Mapping[str, Any]) -> str:
    """Say how the figures of a run were obtained."""
    protocol = about["protocol"]
    detail = {
        "speaker": ", fold {fold}, seed {seed}",
        "corpus": ", tested on {test_corpus}, seed {seed}",
        "unknown": "",
    }
    return f"{protocol['name']}{detail.get(protocol['name'], ', seed {seed}').format(**protocol)}"


def classification_table(scores: Scores, labels: Sequence[str]) -> str:
    """Return scikit-learn's classification report of a confusion matrix."""
    counts = np.array(scores.confusion)
    truth, predicted = (
        np.repeat(index, counts.ravel()) for index in np.indices(counts.shape).reshape(2, -1)
    )
    return str(
        classification_report(
            truth, predicted, labels=range(len(labels)), target_names=labels, zero_division=0
        )
    )


def form_table(forms: Iterable[FormResult], *, latency: bool = False) -> str:
    """Return a Markdown table with a row for each exported form in each interpreter.

    With ``latency`` it has the time of a window [ms], which is another on each machine and day.
    """
    header = "file,interpreter,KiB,UA,change,McNemar p,same label,largest change,SNR".split(",")
    return markdown_table(
        [*header[:3], *["ms"] * latency, *header[3:]],
        [
            (
                form.file,
                form.backend,
                f"{form.size_bytes / 1024:.0f}",
                *[f"{form.latency_ms:.3f}"] * latency,
                f"{form.scores['all'].ua:.1%}",
                f"{100 * form.ua_change:+.1f} points",
                f"{form.mcnemar_p:.2f}",
                f"{form.agreement:.1%}",
                f"{form.largest_change:.2g}",
                "exact" if form.snr_db is None else f"{form.snr_db:.0f} dB",
            )
            for form in forms
        ],
    )


def plot_confusion(path: Path, scores: Scores, labels: Sequence[str], title: str) -> None:
    """Draw a confusion matrix: shares of each true class, with the number of clips."""
    counts = np.array(scores.confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(6.4, 5.6), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, str(count), ha="center", va="center", color=colour)
    axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right")
    axes.set_yticks(range(len(labels)), labels)
    axes.set(xlabel="predicted", ylabel="true", title=title)
    figure.colorbar(image, label="share of the true class")
    _save(figure, path)


def plot_history(path: Path, history: Mapping[str, Sequence[float]]) -> None:
    """Draw the learning curves: loss and accuracy, training and validation."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        epochs = range(1, len(history[name]) + 1)
        axes.plot(epochs, history[name], label="training, augmented")
        axes.plot(epochs, history[f"val_{name}"], label="validation")
        axes.set(xlabel="epoch", ylabel=name)
        axes.grid(alpha=0.3)
        axes.legend()
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=120)
