"""`ser-edge verify`: whether a bundle gives the exported results on this machine."""

from __future__ import annotations

import argparse
import json

from ser_edge.cli.loading import bundle_folder, limit_blas
from ser_edge.cli.options import add_bundle, add_json


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_bundle(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the checks; 1 if one fails."""
    limit_blas(1)
    from ser_edge.verify import verify

    report = verify(bundle_folder(arguments.bundle))
    print(json.dumps(report.to_dict()) if arguments.json else report)
    return 0 if report.ok else 1
