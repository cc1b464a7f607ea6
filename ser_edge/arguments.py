"""The words of the command `ser-edge`: subcommands, options, defaults and their help."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ser_edge import __version__

BUNDLE_VARIABLE = "SER_EDGE_BUNDLE"
# Those of `ser_edge.backends`, which needs NumPy.
BACKENDS = ("litert", "tflite", "onnx", "numeric")


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse a command line, or exit with 2 where it is wrong.

    Parameters
    ----------
    argv : sequence of str, optional
        Its words, by default the process's own.

    Returns
    -------
    arguments : argparse.Namespace
        The subcommand's options; ``command`` is its name, and ``extra`` what has to be installed
        for it beside the runtime.
    """
    return _parser().parse_args(argv)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ser-edge", description="Speech emotion recognition for devices."
    )
    parser.add_argument("--version", action="version", version=f"ser-edge {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, text: str, extra: str | None = None) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(extra=extra)
        return added

    predict = command("predict", "Say which emotion is heard in recordings.")
    predict.add_argument("clips", nargs="+", metavar="CLIP", help="a WAV file, or FLAC, OGG, MP3")
    _add_bundle(predict)
    predict.add_argument(
        "--backend", choices=BACKENDS, help="default the first of these that works here"
    )
    predict.add_argument(
        "--precision", choices=("int8", "float32"), help="default the faster one in the backend"
    )
    predict.add_argument("--threads", type=_positive, default=1, help="default 1, the fastest")
    _add_json(predict, "one JSON object a line")

    info = command("info", "Show what a bundle holds, and check its files.")
    _add_bundle(info)
    _add_json(info)

    verify = command(
        "verify", "Check a bundle on this machine: files, features, every model's answers."
    )
    verify.add_argument("bundle", nargs="?", metavar="BUNDLE", help=f"default ${BUNDLE_VARIABLE}")
    _add_json(verify)

    doctor = command("doctor", "Tell which backends work on this machine, and why others do not.")
    _add_bundle(doctor)
    _add_json(doctor)

    train = command("train", "Train a network on folders of labelled speech.", "train")
    train.add_argument(
        "data",
        nargs="+",
        metavar="DATA_DIR",
        help="RAVDESS, CREMA-D, TESS, SAVEE, EMO-DB, a folder per label, or a CSV",
    )
    train.add_argument("--recipe", choices=("edge", "seed"), default="edge", help="default edge")
    train.add_argument(
        "--protocol",
        choices=("speaker", "corpus", "clip", "leaky"),
        default="speaker",
        help="what is kept apart for testing; default speaker",
    )
    train.add_argument("--fold", type=_natural, default=0, help="which test speakers; default 0")
    train.add_argument("--test-corpus", metavar="NAME", help="with --protocol corpus")
    train.add_argument("--epochs", type=_positive, help="instead of the recipe's")
    train.add_argument(
        "--copies", type=_natural, help="altered copies of each training clip, not the recipe's"
    )
    train.add_argument("--seed", type=_natural, default=0, help="default 0")
    train.add_argument(
        "--keep-going", action="store_true", help="train even if over 5 %% of the files are bad"
    )
    train.add_argument("--licence", help="terms of your own data, for the model card")
    train.add_argument(
        "--jobs", type=int, default=-1, help="processes for features; default: cores"
    )
    _add_out(train, "run folder; default runs/RECIPE-PROTOCOL")
    _add_cache(train)
    _add_json(train)

    evaluate = command(
        "evaluate", "Measure a run, and its exported forms, on test speakers.", "train"
    )
    evaluate.add_argument("run_folder", metavar="RUN", help="what `ser-edge train` wrote")
    evaluate.add_argument(
        "data",
        nargs="*",
        metavar="DATA_DIR",
        help="other recordings than the run's test clips; speakers of its training are left out",
    )
    evaluate.add_argument("--bundle", type=Path, metavar="DIR", help="default RUN/bundle, if there")
    _add_cache(evaluate)
    _add_json(evaluate)

    export = command("export", "Write a run's bundle for devices.", "export")
    export.add_argument("run_folder", metavar="RUN", help="what `ser-edge train` wrote")
    export.add_argument(
        "--int8", action="store_true", help="full-int8 TFLite and ONNX beside float32"
    )
    _add_out(export, "bundle; default RUN/bundle")
    _add_json(export)

    demo = command("demo", "Make a small corpus, train, export and predict, all in one.", "export")
    demo.add_argument("--out", type=Path, default=Path("demo"), metavar="DIR", help="default demo")
    return parser


def _add_bundle(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--bundle", metavar="DIR", help=f"default ${BUNDLE_VARIABLE}")


def _add_json(parser: argparse.ArgumentParser, text: str = "for programs") -> None:
    parser.add_argument("--json", action="store_true", help=text)


def _add_out(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("--out", type=Path, metavar="DIR", help=text)
    parser.add_argument("--overwrite", action="store_true", help="replace DIR if it exists")


def _add_cache(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cache", type=Path, metavar="DIR", help="folder for computed features")


def _natural(text: str) -> int:
    return _whole_number(text, 0)


def _positive(text: str) -> int:
    return _whole_number(text, 1)


def _whole_number(text: str, least: int) -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text!r}; expected a whole number, at least {least}")
    return int(text)
