"""`ser-edge export`: a bundle for devices from a trained network."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ser_edge.choices import MODEL_FORMATS, PRECISIONS, RECIPES
from ser_edge.cli.options import add_cache, add_json, add_out
from ser_edge.cli.types import percent


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add(
        "source",
        type=Path,
        metavar="SOURCE",
        help="run folder of `ser-edge train`, or a .keras, .h5 or .onnx file of your own",
    )
    add_out(parser, "bundle folder; default SOURCE/bundle, or a file's name without its suffix")
    add_json(parser)

    variants = parser.add_argument_group(
        "model variants", "Default: float32 in each format (for an .onnx file in ONNX)."
    )

    def flag(name: str, text: str) -> None:
        variants.add_argument(name, action="store_true", help=text)

    flag("--int8", "also int8 weights and arithmetic, as TFLite and ONNX")
    flag("--all", "every variant")
    for name, choices in (("--format", MODEL_FORMATS), ("--precision", PRECISIONS)):
        variants.add_argument(
            name, action="append", default=[], choices=choices, help="only this; repeatable"
        )
    flag("--audio", "also TFLite and ONNX files with samples as input, probabilities as output")
    flag("--batch", "also an ONNX file for any number of windows at a time")
    flag("--uint8", "int8 ONNX with uint8 activations (U8S8), faster on some x86")
    flag("--reduce-range", "int8 ONNX with 7-bit weights, for x86 without VNNI")

    own = parser.add_argument_group("own model", "What a .keras, .h5 or .onnx file does not state.")
    add = own.add_argument
    add("--labels", default="", metavar="A,B,...", help="labels of its outputs, in order")
    add("--recipe", choices=RECIPES, help="recipe of its features; default edge")
    add(
        "--clips",
        type=Path,
        nargs="+",
        default=[],
        metavar="DIR",
        help="labelled recordings, to calibrate int8 and to test the export",
    )
    add(
        "--scaler",
        type=Path,
        metavar="FILE",
        help=".json or .npz with mean and scale, if its features are standardised",
    )
    add_cache(own)

    acceptance = parser.add_argument_group(
        "acceptance criteria",
        "Each variant is compared with the trained network on the test clips.",
    )
    add = acceptance.add_argument
    add(
        "--min-agreement",
        type=percent,
        default=98.0,
        metavar="PERCENT",
        help="min share of clips with the same label; default 98",
    )
    add(
        "--max-uar-loss",
        type=percent,
        default=1.0,
        metavar="POINTS",
        help="max loss of UAR (unweighted average recall) with int8 weights; default 1",
    )
    add(
        "--max-float-uar-loss",
        type=percent,
        default=0.1,
        metavar="POINTS",
        help="max loss of UAR with float32 and float16 weights; default 0.1",
    )
    add(
        "--qat",
        action="store_true",
        help="quantisation-aware training, if int8 does not pass otherwise",
    )
    add(
        "--allow-degraded",
        action="store_true",
        help="write the bundle even if a variant fails, and note it in the manifest",
    )

    card = parser.add_argument_group("model card")
    add = card.add_argument
    add("--licence", metavar="TEXT", help="licence of a run's weights, not of its training corpora")
    add("--notes", type=Path, metavar="FILE", help="Markdown file to append")


def run(arguments: argparse.Namespace) -> int:
    """Export, and print the result."""
    from ser_edge_export.command import export_command

    result = export_command(arguments)
    print(json.dumps(result.to_dict()) if arguments.json else result)
    return 0
