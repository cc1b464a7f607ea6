"""`ser-edge adapt`: a speaker's profile from recordings without labels."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ser_edge.cli.loading import load_classifier
from ser_edge.cli.options import add_json, add_overwrite, add_recordings
from ser_edge.terminal import printable


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_recordings(parser)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="profile to write, as JSON"
    )
    add_overwrite(parser)
    add_json(parser, "print the profile as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Write the profile."""
    from ser_edge.files import check_writable

    check_writable(arguments.out, "--out", overwrite=arguments.overwrite)
    profile = load_classifier(arguments).profile_of(arguments.clips)
    profile.save(arguments.out)
    if arguments.json:
        print(json.dumps(profile.to_dict()))
        return 0
    offsets = "  ".join(f"{label} {value:+.2f}" for label, value in profile.offset.items())
    print(f"{printable(arguments.out)}: learned from {profile.seconds:.0f} s, subtracts {offsets}")
    return 0
