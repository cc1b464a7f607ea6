"""Options that several subcommands have."""

from __future__ import annotations

import argparse
from pathlib import Path

from ser_edge.choices import BACKENDS, HOP_S, PRECISIONS
from ser_edge.cli.types import seconds, threads

BUNDLE_VARIABLE = "SER_EDGE_BUNDLE"
BUNDLE_HELP = f"bundle folder; default ${BUNDLE_VARIABLE}, or the bundle that ships with ser-edge"


def add_recordings(parser: argparse.ArgumentParser) -> None:
    """Add the recordings and the model."""
    parser.add_argument(
        "clips",
        nargs="+",
        metavar="CLIP",
        help="WAV, FLAC, OGG or MP3 file; m4a, mp4, webm and amr by ffmpeg",
    )
    add_model(parser)


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the bundle, and how its model runs."""
    model = parser.add_argument_group("model")
    model.add_argument("--bundle", metavar="BUNDLE", help=BUNDLE_HELP)
    model.add_argument(
        "--backend", choices=BACKENDS, help="interpreter; default the first that works here"
    )
    model.add_argument(
        "--precision",
        choices=PRECISIONS,
        help="of the weights; default the fastest for the backend",
    )
    model.add_argument(
        "--threads",
        type=threads,
        default=1,
        metavar="N",
        help="threads of the interpreter; default 1, the fastest",
    )


def add_bundle(parser: argparse.ArgumentParser) -> None:
    """Add the bundle, for a command about a bundle."""
    parser.add_argument("bundle", nargs="?", metavar="BUNDLE", help=BUNDLE_HELP)


def add_hop(parser: argparse._ActionsContainer) -> None:
    """Add the hop of a stream."""
    parser.add_argument(
        "--hop",
        type=seconds,
        metavar="S",
        help=f"seconds from one prediction to the next; default {HOP_S}",
    )


def add_profile(parser: argparse._ActionsContainer) -> None:
    """Add the speaker's profile."""
    parser.add_argument(
        "--profile", type=Path, metavar="FILE", help="speaker profile that `ser-edge adapt` wrote"
    )


def add_json(parser: argparse.ArgumentParser, text: str = "print JSON") -> None:
    """Add JSON output."""
    parser.add_argument("--json", action="store_true", help=text)


def add_overwrite(parser: argparse._ActionsContainer, name: str = "FILE") -> None:
    """Add the permission to replace the output."""
    parser.add_argument("--overwrite", action="store_true", help=f"replace {name} if it exists")


def add_out(parser: argparse.ArgumentParser, text: str) -> None:
    """Add the output folder."""
    parser.add_argument("--out", type=Path, metavar="DIR", help=text)
    add_overwrite(parser, "DIR")


def add_cache(parser: argparse._ActionsContainer) -> None:
    """Add the feature cache."""
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="folder that keeps computed features"
    )
