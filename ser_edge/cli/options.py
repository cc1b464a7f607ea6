"""Options that several subcommands have."""

from __future__ import annotations

import argparse
from pathlib import Path

from ser_edge.cli.types import positive, seconds

BUNDLE_VARIABLE = "SER_EDGE_BUNDLE"
BUNDLE_HELP = f"default ${BUNDLE_VARIABLE}, or the one that comes with ser-edge"
# Those of `ser_edge.backends`, which needs NumPy.
BACKENDS = ("litert", "tflite", "onnx", "numeric")
# Those of `ser_edge.manifest`.
PRECISIONS = ("float32", "float16", "dynamic", "int8", "int8-io")


def add_recordings(parser: argparse.ArgumentParser) -> None:
    """Add what is to be heard, and the network that hears it."""
    parser.add_argument("clips", nargs="+", metavar="CLIP", help="a WAV file, or FLAC, OGG, MP3")
    add_network(parser)


def add_network(parser: argparse.ArgumentParser) -> None:
    """Add which network, and how it runs."""
    add_bundle(parser)
    parser.add_argument(
        "--backend", choices=BACKENDS, help="default the first of these that works here"
    )
    parser.add_argument(
        "--precision", choices=PRECISIONS, help="default the fastest of the bundle in the backend"
    )
    parser.add_argument("--threads", type=positive, default=1, help="default 1, the fastest")


def add_hop(parser: argparse._ActionsContainer) -> None:
    """Add how often a stream looks."""
    parser.add_argument(
        "--hop",
        type=seconds,
        default=0.5,
        metavar="S",
        help="seconds from one look to the next; 0.5",
    )


def add_bundle(parser: argparse.ArgumentParser) -> None:
    """Add which bundle."""
    parser.add_argument("--bundle", metavar="DIR", help=BUNDLE_HELP)


def add_json(parser: argparse.ArgumentParser, text: str = "for programs") -> None:
    """Add that programs read the answer."""
    parser.add_argument("--json", action="store_true", help=text)


def add_out(parser: argparse.ArgumentParser, text: str) -> None:
    """Add a folder to write."""
    parser.add_argument("--out", type=Path, metavar="DIR", help=text)
    parser.add_argument("--overwrite", action="store_true", help="replace DIR if it exists")


def add_cache(parser: argparse._ActionsContainer) -> None:
    """Add where features are kept."""
    parser.add_argument("--cache", type=Path, metavar="DIR", help="folder for computed features")
