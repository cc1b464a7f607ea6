"""What README and docs show of ``results/accuracy.json``.

python benchmarks/accuracy_tables.py

writes it again; `accuracy.py` does so at its end.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from filled import fill
from ser_edge_train.enrolment import ENROLMENTS
from ser_edge_train.tables import markdown_table

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "accuracy.json"
PROTOCOLS = {
    "leaky": "altered copies split at random, epoch chosen on the test part",
    "clip": "clips split at random, speakers on both sides",
    "speaker": "speakers apart",
    "corpus": "another corpus: EMO-DB",
}


def write_tables(content: dict[str, Any]) -> None:
    """Fill the documents' tables with the results, and draw the plot."""
    of_study = {row["study"]: row for row in content["rows"] if row["precision"] == "float32"}
    goals = goal_table([row for row in content["rows"] if row["study"] in content["adaptation"]])
    protocols = _protocol_table(of_study)
    for document in (ROOT / "README.md", ROOT / "docs" / "evaluation.md"):
        fill(document, "accuracy:goals", goals)
        fill(document, "accuracy:protocols", protocols)
    rows = [
        (name, enrolment, *(f"{p['uar']:.1%}" for p in curve if p["enrolment"] == enrolment))
        for name, curve in content["adaptation"].items()
        for enrolment in ENROLMENTS
    ]
    seconds = sorted({p["seconds"] for curve in content["adaptation"].values() for p in curve})
    header = ["study", "heard before", *(f"{s} s" for s in seconds)]
    fill(ROOT / "docs" / "evaluation.md", "accuracy:adaptation", markdown_table(header, rows))
    _plot_adaptation(content["adaptation"])
    learning = [
        (name.split("-")[1], _percent(row), _interval(row), f"{row['uar_sd_folds']:.1%}")
        for name, row in of_study.items()
        if name.endswith("-speakers")
    ]
    header = ["speakers at hand", "UAR on others", "95 % interval", "deviation over folds"]
    fill(ROOT / "docs" / "own-data.md", "accuracy:learning", markdown_table(header, learning))


def goal_table(rows: Sequence[dict[str, Any]]) -> str:
    """Show what networks reach, a row each."""
    columns = "recipe,tested on,protocol,classes,form,UAR,95 % interval,WA,parameters,multiply-adds"
    return markdown_table(
        columns.split(","),
        [
            (
                row["recipe"],
                row["corpus"],
                f"{row['protocol']}, {row['folds']} x {row['seeds']}",
                row["classes"],
                row["precision"] + (", adapted" if row["adapted"] else ""),
                _percent(row),
                _interval(row),
                f"{row['wa']:.1%}",
                f"{row['parameters']:,}",
                f"{row['macs'] / 1e6:.1f} M",
            )
            for row in rows
        ],
    )


def _protocol_table(of_study: dict[str, dict[str, Any]]) -> str:
    """Show each recipe's figures in a column, as far as there are any."""
    studies = {
        recipe: {protocol: of_study.get(f"{recipe}-{protocol}") for protocol in PROTOCOLS}
        for recipe in ("seed-kaggle", "seed", "edge")
    }
    studies["edge"]["corpus"] = of_study.get("edge-emodb")
    recipes = [recipe for recipe, found in studies.items() if any(found.values())]
    rows = [
        (
            f"`{protocol}`",
            meaning,
            *(
                f"{_percent(row)} ({_interval(row)})" if row else ""
                for row in (studies[recipe][protocol] for recipe in recipes)
            ),
        )
        for protocol, meaning in PROTOCOLS.items()
    ]
    return markdown_table(["protocol", "", *(f"`{recipe}`" for recipe in recipes)], rows)


def _percent(row: dict[str, Any]) -> str:
    return f"{row['uar']:.1%}"


def _interval(row: dict[str, Any]) -> str:
    return f"{row['ci_low']:.1%} to {row['ci_high']:.1%}"


def _plot_adaptation(curves: dict[str, list[dict[str, Any]]]) -> None:
    figure = Figure(figsize=(8.5, 4), layout="constrained")
    axes = figure.subplots()
    for number, (name, curve) in enumerate(curves.items()):
        for enrolment, style in zip(ENROLMENTS, ("-o", "--s"), strict=True):
            points = [p for p in curve if p["enrolment"] == enrolment]
            seconds, uar = ([p[key] for p in points] for key in ("seconds", "uar"))
            axes.plot(seconds, uar, style, color=f"C{number}", label=f"{name}, {enrolment}")
    axes.set_xlabel("speech heard of the speaker before, without labels [s]")
    axes.set_ylabel("UAR, int8")
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=1))
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper", fontsize="small")
    figure.savefig(ROOT / "docs" / "adaptation.png", dpi=110)


if __name__ == "__main__":
    write_tables(json.loads(RESULTS.read_text(encoding="utf-8")))
