"""`ser-edge demo`: everything from a corpus to predictions, on synthetic speech."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--out", type=Path, default=Path("demo"), metavar="DIR", help="folder; default demo"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the demo."""
    from ser_edge_export.demo import demo

    demo(arguments.out)
    return 0
