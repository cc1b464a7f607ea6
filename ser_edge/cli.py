"""The command `ser-edge`: one function a subcommand, and errors as one sentence.

Nothing beyond the standard library is imported before a subcommand runs, so that ``--help`` is
immediate; what belongs to the workstation is imported by the subcommands that need it.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from ser_edge.arguments import BUNDLE_VARIABLE, parse_arguments
from ser_edge.errors import BundleError, SerEdgeError


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
        0 on success, 1 on failure, 130 where it was interrupted, 141 where nobody reads its output
        any more. Wrong usage exits with 2.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):  # file names need not be legal text
        sys.stdout.reconfigure(errors="backslashreplace")
    arguments = parse_arguments(argv)
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stderr)
    try:
        status = _COMMANDS[arguments.command](arguments)
        print(end="", flush=True)
        return status
    except SerEdgeError as error:
        _complain(error)
        return 1
    except ModuleNotFoundError as error:
        # A module of our own that is missing is a defect, and shows its traceback.
        if error.name is None or error.name.startswith("ser_edge") or not arguments.extra:
            raise
        _complain(
            f"`ser-edge {arguments.command}` needs {error.name}, which is not installed; "
            f"pip install 'ser-edge[{arguments.extra}]'"
        )
        return 1
    except KeyboardInterrupt:
        _complain("interrupted; finished work is kept, run the command again to go on")
        return 130
    except BrokenPipeError:
        # What is still buffered must not fail again when Python exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        _complain(
            f"{error.filename or arguments.command}: cannot be used ({error.strerror or error}); "
            "give a place that can be written to, on a disk with space to spare"
        )
        return 1


def _complain(message: object) -> None:
    """Print one line, even where a file name in it has several."""
    print("ser-edge:", " ".join(str(message).splitlines()), file=sys.stderr)


@contextlib.contextmanager
def _interpreters_silent() -> Iterator[None]:
    """Keep off the terminal what an interpreter's C++ prints; its errors come as exceptions."""
    try:
        kept = os.dup(2)
    except OSError:  # there is no stderr
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _predict(arguments: argparse.Namespace) -> int:
    from ser_edge.classifier import Classifier

    with _interpreters_silent():
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
            _complain(error)
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
        ("interpreters", ", ".join(f"{n} {'yes' if i else 'no'}" for n, i in interpreters.items())),
    ]
    try:
        rows += _about(manifest.about)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise BundleError(
            f"{bundle.folder}: what its manifest says under `about` does not fit; export it again"
        ) from None
    for name, value in rows:
        print(f"{name:<13} {value}")
    return 0


def _about(about: dict[str, Any]) -> list[tuple[str, str]]:
    """Lay out what a manifest tells people; it may lack any of it."""
    rows = [
        ("corpora", ", ".join(about.get("corpora", {}))),
        ("licence", about.get("licence", "not stated")),
    ]
    scores = about.get("metrics", {}).get("all")
    if scores:
        rows.append(
            (
                "accuracy",
                f"UA {scores['ua']:.1%} on {scores['n_clips']} clips of {scores['n_speakers']} "
                f"speakers, protocol {about['protocol']['name']}; MODEL_CARD.md has the intervals",
            )
        )
    return rows


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
    bundle = given or os.environ.get(BUNDLE_VARIABLE)
    if not bundle:
        raise SerEdgeError(
            f"no bundle was named; give --bundle DIR, or set {BUNDLE_VARIABLE}, to a folder that "
            "`ser-edge export` wrote"
        )
    return bundle


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "predict": _predict,
    "info": _info,
    "train": _train,
    "evaluate": _evaluate,
    "export": _export,
    "demo": _demo,
}


if __name__ == "__main__":
    entry_point()
