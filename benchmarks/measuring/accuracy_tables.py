"""The tables and the plot of ``results/accuracy.json``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
INTERVAL = "{ci_low:.1%} to {ci_high:.1%}"
Row = dict[str, Any]


def table(rows: Iterable[Mapping[str, Any]], header: str, row: str) -> str:
    """Lay out results: a header, and a format string over a result's keys; ``|`` parts columns."""
    cells = [[cell.strip().format_map(each) for cell in row.split("|")] for each in rows]
    return markdown_table([cell.strip() for cell in header.split("|")], cells)


def exported_studies(content: dict[str, Any]) -> str:
    """Show the studies whose int8 networks and adaptation were measured."""
    return study_table([row for row in content["rows"] if row["study"] in content["adaptation"]])


def study_table(rows: Sequence[Row]) -> str:
    """Show the figures of each study and variant."""
    extended = [
        {**row, "adaptation": ", adapted" * row["adapted"], "millions": row["macs"] / 1e6}
        for row in rows
    ]
    return table(
        extended,
        "recipe | tested on | protocol | classes | variant | UAR | 95 % interval | WA | "
        "parameters | multiply-adds",
        "{recipe} | {corpus} | {protocol}, {folds} x {seeds} | {classes} | "
        "{precision}{adaptation} | {uar:.1%} | {ci_low:.1%} to {ci_high:.1%} | {wa:.1%} | "
        "{parameters:,} | {millions:.1f} M",
    )


def protocols(content: dict[str, Any]) -> str:
    """Show each recipe's figures by protocol."""
    float32 = _float32(content)
    recipes = ("seed-kaggle", "seed", "edge")
    rows = []
    for protocol, meaning in PROTOCOLS.items():
        studies = [float32.get(f"{recipe}-{protocol}") for recipe in recipes[:-1]]
        studies.append(float32.get("edge-emodb" if protocol == "corpus" else f"edge-{protocol}"))
        cell = f"{{uar:.1%}} ({INTERVAL})"
        cells = (cell.format_map(study) if study else "" for study in studies)
        rows.append((f"`{protocol}`", meaning, *cells))
    return markdown_table(["protocol", "", *(f"`{recipe}`" for recipe in recipes)], rows)


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
    return table(
        [
            {**row, "speakers": name.split("-")[1]}
            for name, row in _float32(content).items()
            if name.endswith("-speakers")
        ],
        "training speakers | UAR on others | 95 % interval | deviation over folds",
        "{speakers} | {uar:.1%} | {ci_low:.1%} to {ci_high:.1%} | {uar_sd_folds:.1%}",
    )


def _float32(content: dict[str, Any]) -> dict[str, Row]:
    return {row["study"]: row for row in content["rows"] if row["precision"] == "float32"}


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
