"""The words of the command `ser-edge`: subcommands, options, defaults and their help."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ser_edge import __version__
from ser_edge.cli.bench import add_bench
from ser_edge.cli.listen import add_listen
from ser_edge.cli.options import (
    BUNDLE_HELP,
    BUNDLE_VARIABLE,
    PRECISIONS,
    add_bundle,
    add_cache,
    add_hop,
    add_json,
    add_out,
    add_recordings,
)
from ser_edge.cli.types import folds, natural, percent, positive

# Those of `ser_edge_export.variants`.
FORMATS = ("tflite", "onnx", "npz")
# Those of `ser_edge.streaming.segments`.
SEGMENT_FORMATS = ("table", "json", "csv", "vtt", "audacity")
# Those of `ser_edge_train.recipes`.
RECIPES = ("edge", "edge-max", "edge-robust", "seed", "seed-kaggle")


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

    predict = command("predict", "Say which emotion is heard in recordings.", "plot")
    add_recordings(predict)
    course = predict.add_argument_group("course", "Of one recording, however long.")
    course.add_argument(
        "--segments",
        nargs="?",
        const="table",
        choices=SEGMENT_FORMATS,
        metavar="FORMAT",
        help=f"when which emotion is heard: {', '.join(SEGMENT_FORMATS)}; default table",
    )
    course.add_argument("--plot", type=Path, metavar="FILE", help="draw it, as PNG, SVG or PDF")
    course.add_argument("--overwrite", action="store_true", help="replace FILE if it exists")
    add_hop(course)
    predict.add_argument(
        "--profile", type=Path, metavar="FILE", help="the speaker's, that `ser-edge adapt` wrote"
    )
    add_json(predict, "one JSON object a line")

    adapt = command("adapt", "Learn to hear a speaker better, from recordings without labels.")
    add_recordings(adapt)
    adapt.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="the profile to write, JSON"
    )
    adapt.add_argument("--overwrite", action="store_true", help="replace FILE if it exists")
    adapt.set_defaults(profile=None)
    add_json(adapt)

    listen = command("listen", "Hear emotions live: from a microphone, a pipe or a file.", "mic")
    add_listen(listen)

    info = command("info", "Show what a bundle holds, and check its files.")
    add_bundle(info)
    add_json(info)

    verify = command(
        "verify", "Check a bundle on this machine: files, features, every model's answers."
    )
    verify.add_argument("bundle", nargs="?", metavar="BUNDLE", help=BUNDLE_HELP)
    add_json(verify)

    bench = command("bench", "Measure how fast, how big and how exact a bundle is here.", "plot")
    bench.add_argument("bundle", nargs="?", metavar="BUNDLE", help=BUNDLE_HELP)
    add_bench(bench)
    bench.set_defaults(usage_error=bench.error)

    doctor = command("doctor", "Tell which backends work on this machine, and why others do not.")
    doctor.add_argument(
        "--bundle",
        metavar="DIR",
        help=f"whose network to run; default ${BUNDLE_VARIABLE}, or only import interpreters",
    )
    add_json(doctor)

    train = command("train", "Train a network on folders of labelled speech.", "train")
    train.add_argument(
        "data",
        nargs="+",
        metavar="DATA_DIR",
        help="RAVDESS, CREMA-D, TESS, SAVEE, EMO-DB, a folder per label, or a CSV",
    )
    train.add_argument("--recipe", choices=RECIPES, default="edge", help="default edge")
    train.add_argument(
        "--protocol",
        choices=("speaker", "corpus", "clip", "leaky"),
        default="speaker",
        help="what is kept apart for testing; default speaker",
    )
    tested = train.add_mutually_exclusive_group()
    tested.add_argument("--fold", type=natural, default=0, help="which test speakers; default 0")
    tested.add_argument(
        "--folds",
        type=folds,
        metavar="all|0,1,...",
        help="cross-validate: a run for each of these folds",
    )
    train.add_argument(
        "--seeds", type=positive, default=1, metavar="N", help="runs of each fold; default 1"
    )
    train.add_argument("--test-corpus", metavar="NAME", help="with --protocol corpus")
    train.add_argument(
        "--train-speakers",
        type=positive,
        metavar="N",
        help="use N of the speakers that are not tested, to see what more of them would bring",
    )
    train.add_argument(
        "--calm", action="store_true", help="calm is a label of its own, and not neutral"
    )
    train.add_argument("--epochs", type=positive, help="instead of the recipe's")
    train.add_argument(
        "--augmentations", type=natural, help="of each training clip; default the recipe's"
    )
    train.add_argument(
        "--ensemble", type=positive, metavar="N", help="networks to average; default the recipe's"
    )
    train.add_argument(
        "--retrain",
        action=argparse.BooleanOptionalAction,
        help="train once more, on the speakers too that temperature and adaptation were chosen on, "
        "or do not, whatever the recipe says",
    )
    train.add_argument("--seed", type=natural, default=0, help="default 0")
    train.add_argument(
        "--keep-going", action="store_true", help="train even if over 5 %% of the files are bad"
    )
    train.add_argument("--licence", help="terms of your own data, for the model card")
    train.add_argument(
        "--jobs", type=int, default=-1, help="processes for features; default: cores"
    )
    add_out(train, "run folder; default runs/RECIPE-PROTOCOL")
    add_cache(train)
    add_json(train)

    evaluate = command(
        "evaluate",
        "Measure a run and its exported forms on test speakers, or compare runs.",
        "train",
    )
    evaluate.add_argument(
        "runs", nargs="+", metavar="RUN", help="what `ser-edge train` wrote; several are compared"
    )
    evaluate.add_argument(
        "--data",
        nargs="+",
        default=[],
        metavar="DATA_DIR",
        help="other recordings than the run's test clips; speakers of its training are left out",
    )
    evaluate.add_argument("--bundle", type=Path, metavar="DIR", help="default RUN/bundle, if there")
    evaluate.add_argument(
        "--report", type=Path, metavar="DIR", help="write a page with tables and plots"
    )
    evaluate.add_argument("--overwrite", action="store_true", help="replace that DIR if it exists")
    add_cache(evaluate)
    add_json(evaluate)

    _add_export(command("export", "Write a network's bundle for devices.", "export"))

    demo = command("demo", "Make a small corpus, train, export and predict, all in one.", "export")
    demo.add_argument("--out", type=Path, default=Path("demo"), metavar="DIR", help="default demo")
    return parser


def _add_export(export: argparse.ArgumentParser) -> None:
    export.add_argument(
        "source",
        type=Path,
        metavar="SOURCE",
        help="what `ser-edge train` wrote, or a .keras or .onnx file of your own",
    )
    forms = export.add_argument_group("forms", "Without any of these, float32 in each format.")

    def form(name: str, text: str) -> None:
        forms.add_argument(name, action="store_true", help=text)

    form("--int8", "full-int8 TFLite and ONNX beside float32")
    form("--all", "every form there is")
    for name, choices in (("--format", FORMATS), ("--precision", PRECISIONS)):
        forms.add_argument(
            name, action="append", default=[], choices=choices, help="only this; may be repeated"
        )
    form("--audio", "beside TFLite and ONNX a file that takes samples and gives probabilities")
    form("--batch", "beside ONNX a file for any number of windows")
    form("--uint8", "uint8 activations in static int8 ONNX (U8S8), faster on some x86")
    form("--reduce-range", "weights of 7 bits in static int8 ONNX, for x86 without VNNI")

    own = export.add_argument_group("own model", "What a .keras or .onnx file does not say.")
    own.add_argument(
        "--labels", default="", metavar="A,B,...", help="names of its outputs, in their order"
    )
    own.add_argument(
        "--recipe",
        choices=RECIPES,
        default="edge",
        help="whose features it takes; default edge",
    )
    own.add_argument(
        "--clips",
        type=Path,
        nargs="+",
        default=[],
        metavar="DIR",
        help="labelled recordings to calibrate and to prove it on",
    )
    own.add_argument(
        "--scaler",
        type=Path,
        metavar="FILE",
        help=".json or .npz with mean and scale, if its features are standardised",
    )
    add_cache(own)

    gate = export.add_argument_group("gate", "What each form has to keep, on the test clips.")
    gate.add_argument(
        "--min-agreement",
        type=percent,
        default=98.0,
        metavar="PERCENT",
        help="clips with the same label as before; default 98",
    )
    gate.add_argument(
        "--max-uar-loss",
        type=percent,
        default=1.0,
        metavar="POINTS",
        help="by how much UAR may fall with int8 weights; default 1",
    )
    gate.add_argument(
        "--max-float-uar-loss",
        type=percent,
        default=0.1,
        metavar="POINTS",
        help="the same for float32 and float16; default 0.1",
    )
    gate.add_argument(
        "--qat",
        action="store_true",
        help="train the weights to live with int8, where nothing less passes",
    )
    gate.add_argument(
        "--allow-degraded",
        action="store_true",
        help="write the bundle even if a form falls short; its manifest says so",
    )
    card = export.add_argument_group("model card")
    card.add_argument(
        "--licence", help="terms of the weights, not those of the corpora behind them"
    )
    card.add_argument(
        "--notes", type=Path, metavar="FILE", help="Markdown to add, such as figures of your own"
    )
    add_out(export, "bundle; default SOURCE/bundle, or for a file its name without suffix")
    add_json(export)
