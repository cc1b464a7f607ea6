"""`ser-edge doctor`: which interpreters run a bundle on this machine."""

from __future__ import annotations

import argparse
import json
import os

from ser_edge.cli.options import BUNDLE_VARIABLE, add_bundle, add_json


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_bundle(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the diagnosis; 1 if nothing works."""
    from ser_edge.doctor import diagnose

    # Not `bundle_folder`, which imports NumPy: that may be what does not work.
    diagnosis = diagnose(arguments.bundle or os.environ.get(BUNDLE_VARIABLE) or None)
    print(json.dumps(diagnosis.to_dict()) if arguments.json else diagnosis)
    return 0 if diagnosis.works else 1
