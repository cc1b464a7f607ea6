"""`ser-edge doctor`: which interpreters work on this machine."""

from __future__ import annotations

import argparse
import json
import os

from ser_edge.cli.options import BUNDLE_VARIABLE, add_json


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--bundle",
        metavar="DIR",
        help=f"bundle to run; default ${BUNDLE_VARIABLE}, or only import the interpreters",
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the diagnosis; 1 if nothing works."""
    from ser_edge.doctor import diagnose

    diagnosis = diagnose(arguments.bundle or os.environ.get(BUNDLE_VARIABLE) or None)
    print(json.dumps(diagnosis.to_dict()) if arguments.json else diagnosis)
    return 0 if diagnosis.works else 1
