"""The tables and the plot of ``results/accuracy.json``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ser_edge_train.enrolment import ENROLMENTS
from ser_edge_train.tables import markdown_table

PROTOCOLS = {
    "leaky": "augmented copies split at random, epoch chosen on the test part",
    "clip": "clips split at random, speakers on both sides",
    "speaker": "test speakers not in training",
    "corpus": "another corpus: EMO-DB",
}
Row = dict[str, Any]


def exported_studies(content: dict[str, Any]) -> str:
    """Show the studies whose int8 networks and adaptation were measured."""
    return study_table([row for row in content["rows"] if row["study"] in content["adaptation"]])


def study_table(rows: Sequence[Row]) -> str:
    """Show the figures of each study and variant."""
    header = (
        "recipe,tested on,protocol,classes,variant,UAR,95 % interval,WA,parameters,multiply-adds"
    )
    return markdown_table(
        header.split(","),
        [
            (
                row["recipe"],
                row["corpus"],
                f"{row['protocol']}, {row['folds']} x {row['seeds']}",
                row["classes"],
                row["precision"] + (", adapted" if row["adapted"] else ""),
                f"{row['uar']:.1%}",
                _interval(row),
                f"{row['wa']:.1%}",
                f"{row['parameters']:,}",
                f"{row['macs'] / 1e6:.1f} M",
            )
            for row in rows
        ],
    )


def protocols(content: dict[str, Any]) -> str:
    """Show each recipe's figures by protocol, as far as there are any."""
    float32 = _float32(content)
    studies = {
        recipe: {protocol: float32.get(f"{recipe}-{protocol}") for protocol in PROTOCOLS}
        for recipe in ("seed-kaggle", "seed", "edge")
    }
    studies["edge"]["corpus"] = float32.get("edge-emodb")
    recipes = [recipe for recipe, found in studies.items() if any(found.values())]
    cells = {
        recipe: {
            protocol: f"{row['uar']:.1%} ({_interval(row)})" if row else ""
            for protocol, row in studies[recipe].items()
        }
        for recipe in recipes
    }
    return markdown_table(
        ["protocol", "", *(f"`{recipe}`" for recipe in recipes)],
        [
            (f"`{protocol}`", meaning, *(cells[recipe][protocol] for recipe in recipes))
            for protocol, meaning in PROTOCOLS.items()
        ],
    )


def adaptation(content: dict[str, Any]) -> str:
    """Show the UAR by seconds of enrolment."""
    curves = content["adaptation"]
    seconds = sorted({point["seconds"] for curve in curves.values() for point in curve})
    return markdown_table(
        ["study", "enrolment", *(f"{s} s" for s in seconds)],
        [
            (name, enrolment, *(f"{p['uar']:.1%}" for p in curve if p["enrolment"] == enrolment))
            for name, curve in curves.items()
            for enrolment in ENROLMENTS
        ],
    )


def learning(content: dict[str, Any]) -> str:
    """Show the UAR by the number of training speakers."""
    return markdown_table(
        ["training speakers", "UAR on others", "95 % interval", "deviation over folds"],
        [
            (name.split("-")[1], f"{row['uar']:.1%}", _interval(row), f"{row['uar_sd_folds']:.1%}")
            for name, row in _float32(content).items()
            if name.endswith("-speakers")
        ],
    )


def _float32(content: dict[str, Any]) -> dict[str, Row]:
    return {row["study"]: row for row in content["rows"] if row["precision"] == "float32"}


def _interval(row: Row) -> str:
    return f"{row['ci_low']:.1%} to {row['ci_high']:.1%}"


def plot_adaptation(content: dict[str, Any], path: Path) -> None:
    """Draw the UAR over the seconds of enrolment."""
    figure = Figure(figsize=(8.5, 4), layout="constrained")
    axes = figure.subplots()
    for number, (name, curve) in enumerate(content["adaptation"].items()):
        for enrolment, style in zip(ENROLMENTS, ("-o", "--s"), strict=True):
            points = [p for p in curve if p["enrolment"] == enrolment]
            seconds, uar = ([p[key] for p in points] for key in ("seconds", "uar"))
            axes.plot(seconds, uar, style, color=f"C{number}", label=f"{name}, {enrolment}")
    axes.set_xlabel("enrolment: unlabelled speech of the speaker [s]")
    axes.set_ylabel("UAR, int8")
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=1))
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper", fontsize="small")
    figure.savefig(path, dpi=110)
