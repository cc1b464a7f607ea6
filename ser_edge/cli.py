"""The command `ser-edge`: one function a subcommand, and errors as one sentence.

Nothing beyond the standard library is imported before a subcommand runs, so that ``--help`` is
immediate; what belongs to the workstation is imported by the subcommands that need it.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from ser_edge import __version__
from ser_edge.errors import SerEdgeError

_BUNDLE_VARIABLE = "SER_EDGE_BUNDLE"


def entry_point() -> NoReturn:
    """Run the command line and exit."""
    sys.exit(main())


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Its words, by default the process's own.

    Returns
    -------
    status : int
        0 on success, 1 on failure, 130 where it was interrupted. Wrong usage exits with 2.
    """
    arguments = _parser().parse_args(argv)
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stderr)
    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        return run(arguments)
    except SerEdgeError as error:
        print(f"ser-edge: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        # A module of our own that is missing is a defect, and shows its traceback.
        if error.name is None or error.name.startswith("ser_edge") or not arguments.extra:
            raise
        print(
            f"ser-edge: `ser-edge {arguments.command}` needs {error.name}, which is not installed; "
            f"pip install 'ser-edge[{arguments.extra}]'",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print("ser-edge: interrupted; the same command goes on from here", file=sys.stderr)
        return 130


def _predict(arguments: argparse.Namespace) -> int:
    from ser_edge.classifier import Classifier

    classifier = Classifier.load(
        _bundle(arguments.bundle),
        backend=arguments.backend,
        precision=arguments.precision,
        threads=arguments.threads,
    )
    status = 0
    width = max(len(clip) for clip in arguments.clips)
    for clip in arguments.clips:
        try:
            prediction = classifier.predict(clip)
        except SerEdgeError as error:
            print(f"ser-edge: {error}", file=sys.stderr)
            status = 1
            continue
        if arguments.json:
            print(json.dumps({"clip": clip, **prediction.to_dict()}), flush=True)
        else:
            ranked = sorted(prediction.probabilities.items(), key=lambda item: -item[1])
            others = "  ".join(f"{label} {share:.0%}" for label, share in ranked[1:3])
            print(
                f"{clip:<{width}}  {prediction.label:<8} {prediction.probability:4.0%}   {others}",
                flush=True,
            )
    return status


def _info(arguments: argparse.Namespace) -> int:
    from ser_edge.backends import INTERPRETERS
    from ser_edge.bundle import Bundle

    bundle = Bundle.open(_bundle(arguments.bundle))
    for model in bundle.manifest.models:
        bundle.verified(model)
    manifest = bundle.manifest
    interpreters = {name: i.installed for name, i in INTERPRETERS.items()}
    if arguments.json:
        content = json.loads(manifest.to_json())
        print(json.dumps({"folder": str(bundle.folder), "interpreters": interpreters, **content}))
        return 0
    scores = manifest.about.get("metrics", {}).get("all")
    rows = [
        ("bundle", f"{manifest.name} in {bundle.folder}, sha256 of every model as exported"),
        ("labels", ", ".join(manifest.labels)),
        (
            "input",
            f"{manifest.input.window.duration_s} s windows at "
            f"{manifest.input.features.sample_rate} Hz, {manifest.input.shape} numbers each",
        ),
        *(
            ("model", f"{m.file}, {m.precision}, {m.size_bytes / 1024:.0f} KiB")
            for m in manifest.models
        ),
        ("corpora", ", ".join(manifest.about.get("corpora", {}))),
        ("licence", manifest.about.get("licence", "not stated")),
        ("interpreters", ", ".join(f"{n} {'yes' if i else 'no'}" for n, i in interpreters.items())),
    ]
    if scores:
        protocol = manifest.about["protocol"]["name"]
        rows.append(
            (
                "accuracy",
                f"UA {scores['ua']:.1%} on {scores['n_clips']} clips of {scores['n_speakers']} "
                f"speakers, protocol {protocol}; MODEL_CARD.md has the intervals",
            )
        )
    for name, value in rows:
        print(f"{name:<13} {value}")
    return 0


def _train(arguments: argparse.Namespace) -> int:
    from ser_edge_train.train import TrainOptions, train

    options = TrainOptions(
        recipe=arguments.recipe,
        protocol=arguments.protocol,
        fold=arguments.fold,
        test_corpus=arguments.test_corpus,
        epochs=arguments.epochs,
        copies=arguments.copies,
        seed=arguments.seed,
        keep_going=arguments.keep_going,
        licence=arguments.licence,
    )
    out = arguments.out or Path("runs", f"{arguments.recipe}-{arguments.protocol}")
    run = train(
        arguments.data,
        out,
        options,
        cache=arguments.cache,
        jobs=arguments.jobs,
        overwrite=arguments.overwrite,
    )
    metrics: dict[str, Any] = dict(run.settings.about["metrics"])
    if arguments.json:
        print(json.dumps({"run": str(run.folder), "metrics": metrics}))
        return 0
    print((run.folder / "report.md").read_text(encoding="utf-8").partition("## Recall")[0])
    print(f"{run.folder}: report.md has the rest; next: ser-edge export {run.folder} --int8")
    return 0


def _evaluate(arguments: argparse.Namespace) -> int:
    from ser_edge_train.evaluate import evaluate

    result = evaluate(
        arguments.run_folder, arguments.data, bundle=arguments.bundle, cache=arguments.cache
    )
    print(json.dumps(result.to_dict()) if arguments.json else result)
    return 0


def _export(arguments: argparse.Namespace) -> int:
    from ser_edge_export.export import export

    out = arguments.out or Path(arguments.run_folder, "bundle")
    result = export(arguments.run_folder, out, int8=arguments.int8, overwrite=arguments.overwrite)
    print(json.dumps(result.to_dict()) if arguments.json else result)
    return 0


def _demo(arguments: argparse.Namespace) -> int:
    from ser_edge_export.demo import demo

    demo(arguments.out)
    return 0


def _bundle(given: str | None) -> str:
    import os

    bundle = given or os.environ.get(_BUNDLE_VARIABLE)
    if not bundle:
        raise SerEdgeError(
            f"no bundle was named; give --bundle DIR, or set {_BUNDLE_VARIABLE}, to a folder that "
            "`ser-edge export` wrote"
        )
    return bundle


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ser-edge", description="Speech emotion recognition for devices."
    )
    parser.add_argument("--version", action="version", version=f"ser-edge {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(
        name: str, run: Callable[[argparse.Namespace], int], text: str, extra: str | None = None
    ) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(run=run, extra=extra)
        return added

    predict = command("predict", _predict, "Say which emotion is heard in recordings.")
    predict.add_argument("clips", nargs="+", metavar="CLIP", help="a WAV file, or FLAC, OGG, MP3")
    _add_bundle(predict)
    predict.add_argument("--backend", choices=("litert", "tflite", "onnx"), help="interpreter")
    predict.add_argument("--precision", choices=("int8", "float32"), help="form of the network")
    predict.add_argument("--threads", type=_positive, default=1, help="default 1, the fastest")
    _add_json(predict, "one JSON object a line")

    info = command("info", _info, "Show what a bundle holds, and check its files.")
    _add_bundle(info)
    _add_json(info)

    train = command("train", _train, "Train a network on folders of labelled speech.", "train")
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
        "evaluate", _evaluate, "Measure a run, and its exported forms, on test speakers.", "train"
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

    export = command("export", _export, "Write a run's bundle for devices.", "export")
    export.add_argument("run_folder", metavar="RUN", help="what `ser-edge train` wrote")
    export.add_argument(
        "--int8", action="store_true", help="full-int8 TFLite and ONNX beside float32"
    )
    _add_out(export, "bundle; default RUN/bundle")
    _add_json(export)

    demo = command(
        "demo", _demo, "Make a small corpus, train, export and predict, all in one.", "export"
    )
    demo.add_argument("--out", type=Path, default=Path("demo"), metavar="DIR", help="default demo")
    return parser


def _add_bundle(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--bundle", metavar="DIR", help=f"default ${_BUNDLE_VARIABLE}")


def _add_json(parser: argparse.ArgumentParser, text: str = "for programs") -> None:
    parser.add_argument("--json", action="store_true", help=text)


def _add_out(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("--out", type=Path, metavar="DIR", help=text)
    parser.add_argument("--overwrite", action="store_true", help="replace DIR if it exists")


def _add_cache(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cache", type=Path, metavar="DIR", help="folder for computed features")


def _natural(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{value} is below 0")
    return value


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is below 1")
    return value


if __name__ == "__main__":
    entry_point()
