"""The report of a run or of several: ``report.md`` with plots, and the same as one HTML page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import classification_report

from ser_edge_train import plots
from ser_edge_train.confidence import reliability, risk_coverage
from ser_edge_train.metrics import Scores
from ser_edge_train.page import html_page
from ser_edge_train.predictions import Predictions
from ser_edge_train.summary import Summary
from ser_edge_train.tables import markdown_table, plain, score_table, selective_prediction_table

_EXPLANATION = (
    "UAR is the unweighted average recall, WA the accuracy. The interval is a bootstrap over the "
    "test speakers. All figures are of float32 Keras models; `ser-edge evaluate` measures exported "
    "model variants."
)


def write_report(
    folder: Path,
    summaries: Sequence[Summary],
    history: Mapping[str, Sequence[float]] | None = None,
) -> None:
    """Write ``report.md``, ``report.html``, their plots and ``metrics.json`` into a folder.

    Several summaries are compared first. `history` has losses and accuracies of a single run, one
    value per epoch.
    """
    metrics = [summary.to_dict() for summary in summaries]
    content = metrics[0] if len(metrics) == 1 else {"summaries": metrics}
    (folder / "metrics.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    parts = []
    if len(summaries) > 1:
        parts.append(_comparison(folder, summaries))
    for number, summary in enumerate(summaries):
        prefix = f"{number + 1}-" if len(summaries) > 1 else ""
        parts.append(_section(folder, prefix, summary))
    if history is not None:
        plots.plot_history(folder / "learning_curves.png", history)
        parts.append("## Training\n\n![learning curves](learning_curves.png)\n")
    text = "\n".join(parts)
    (folder / "report.md").write_text(text, encoding="utf-8")
    (folder / "report.html").write_text(html_page(text, folder), encoding="utf-8")


def _comparison(folder: Path, summaries: Sequence[Summary]) -> str:
    plots.plot_comparison(
        folder / "comparison.png", {one.name: one.scores["all"] for one in summaries}
    )
    curves = {
        one.name: risk_coverage(one.pooled.probabilities, one.pooled.y_true) for one in summaries
    }
    plots.plot_risk_coverage(folder / "comparison-selective_prediction.png", curves)
    table = comparison_table(summaries)
    return f"""# Comparison

{table}

{_EXPLANATION}

![comparison](comparison.png)

![selective prediction](comparison-selective_prediction.png)
"""


def comparison_table(summaries: Sequence[Summary]) -> str:
    """Return a table with a row for each summary."""
    header = "recipe and protocol,classes,folds x seeds,UAR,95 % interval,WA,ECE".split(",")
    rows = []
    for one in summaries:
        metrics, scores = one.to_dict(), one.scores["all"]
        rows.append(
            (
                plain(one.name),
                len(one.labels),
                f"{metrics['folds']} x {metrics['seeds']}",
                f"{one.uar:.1%}",
                scores.interval,
                f"{scores.wa:.1%}",
                f"{metrics['calibration_error']['after']:.1%}",
            )
        )
    return markdown_table(header, rows)


def _section(folder: Path, prefix: str, summary: Summary) -> str:
    names = ("confusion_matrix", "calibration", "selective_prediction", "speakers")
    confusion, calibration, selective, speakers = (f"{prefix}{name}.png" for name in names)
    pooled, raw = summary.pooled, Predictions.join(summary.uncalibrated)
    before, after = (reliability(a.probabilities, a.y_true) for a in (raw, pooled))
    curve = risk_coverage(pooled.probabilities, pooled.y_true)
    scores = summary.scores
    plots.plot_confusion(folder / confusion, scores["all"], summary.labels, summary.name)
    plots.plot_reliability(folder / calibration, before, after)
    plots.plot_risk_coverage(folder / selective, {summary.name: curve})
    plots.plot_speakers(folder / speakers, summary.uar_of_speakers)
    return f"""# {plain(summary.name)}

{_headline(summary)}

{score_table(scores)}

{_EXPLANATION}

{_notes(summary)}

## Recall by class

```
{classification_table(scores["all"], summary.labels)}```

![confusion matrix]({confusion})

## Speakers

![UAR of each test speaker]({speakers})

## Calibration

The expected calibration error is {before.error:.1%} without and {after.error:.1%} with the
temperature ({_temperatures(summary)}), which was fitted on validation clips.

![calibration]({calibration})

## Selective prediction

The error rate falls when clips below a minimum probability are rejected:

{selective_prediction_table(summary.to_dict()["selective_prediction"])}

![selective prediction]({selective})

## Data

{_data_table(summary)}

{_made_with(summary)}
"""


def _headline(summary: Summary) -> str:
    about = summary.runs[0].settings.about
    deviations = [
        f"{deviation:.1%} over {over}"
        for over in ("folds", "seeds")
        if (deviation := summary.uar_spread(over)) is not None
    ]
    spread = f" (standard deviation {' and '.join(deviations)})" if deviations else ""
    folds, seeds = (len(set(numbers)) for numbers in zip(*summary.uar_of_runs, strict=True))
    size = (
        protocol_name(about)
        if folds == seeds == 1
        else f"{about['protocol']['name']}, {_counted(folds, 'fold')}, {_counted(seeds, 'seed')}"
    )
    return (
        f"Recipe `{summary.runs[0].settings.recipe.name}`, protocol **{plain(size)}**, "
        f"{about['parameters']:,} parameters, {_counted(about['epochs'], 'epoch')}.\n\n"
        f"**UAR {summary.uar:.1%}**{spread}."
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _notes(summary: Summary) -> str:
    notes: dict[str, None] = {}  # each once, in order
    for run in summary.runs:
        notes |= dict.fromkeys(run.settings.about["protocol"]["notes"])
    return "\n".join(f"- {plain(note)}" for note in notes)


def _temperatures(summary: Summary) -> str:
    low, high = (f(run.settings.temperature for run in summary.runs) for f in (min, max))
    return f"{low:.2f}" if low == high else f"{low:.2f} to {high:.2f}"


def _data_table(summary: Summary) -> str:
    corpora = summary.runs[0].settings.about["corpora"]
    return markdown_table(
        ["corpus", "clips", "speakers", "in training", "licence"],
        [
            (
                plain(name),
                c["clips"],
                c["speakers"],
                "yes" if c["trained_on"] else "no",
                plain(c["licence"]),
            )
            for name, c in corpora.items()
        ],
    )


def _made_with(summary: Summary) -> str:
    versions = summary.runs[0].settings.about["versions"]
    made_with = ", ".join(plain(f"{name} {number}") for name, number in versions.items())
    return f"Each run's `split.csv` lists the part of each clip. Made with {made_with}."


def protocol_name(about: Mapping[str, Any]) -> str:
    """Return the protocol of a run as text, with corpus or fold, and seed."""
    protocol = about["protocol"]
    detail = {
        "corpus": ", tested on {test_corpus}, seed {seed}",
        "unknown": "",
    }.get(protocol["name"], ", fold {fold}, seed {seed}")
    return f"{protocol['name']}{detail.format(**protocol)}"


def classification_table(scores: Scores, labels: Sequence[str]) -> str:
    """Return scikit-learn's classification report of a confusion matrix."""
    counts = np.array(scores.confusion)
    y_true, predicted = (
        np.repeat(index, counts.ravel()) for index in np.indices(counts.shape).reshape(2, -1)
    )
    return str(
        classification_report(
            y_true, predicted, labels=range(len(labels)), target_names=labels, zero_division=0
        )
    )
