"""`ser-edge evaluate`: figures of a trained network, or a comparison of several."""

from __future__ import annotations

import argparse
from pathlib import Path

from ser_edge.cli.options import add_cache, add_json, add_overwrite


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add(
        "runs",
        nargs="+",
        metavar="RUN",
        help="run folder of `ser-edge train`; several are compared",
    )
    add(
        "--data",
        nargs="+",
        default=[],
        metavar="DATA_DIR",
        help="other corpora than the run's test clips; its training speakers are left out",
    )
    add(
        "--bundle",
        type=Path,
        metavar="DIR",
        help="exported bundle; default RUN/bundle if it exists",
    )
    add("--report", type=Path, metavar="DIR", help="write a report with tables and plots")
    add_overwrite(parser, "the report's DIR")
    add_cache(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the figures."""
    from ser_edge_train.command import evaluate_command

    evaluate_command(arguments)
    return 0
