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
from typing import TYPE_CHECKING, NoReturn

from ser_edge.cli.options import BUNDLE_VARIABLE
from ser_edge.cli.parser import parse_arguments
from ser_edge.errors import SerEdgeError
from ser_edge.files import check_writable

if TYPE_CHECKING:
    from ser_edge.classifier import Classifier


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


class _Later(logging.Handler):
    """Keeps what is logged; `logging.handlers` has the like, and imports sockets and pickle."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        self.records.append(record)


@contextlib.contextmanager
def _interpreters_silent() -> Iterator[None]:
    """Keep off the terminal what an interpreter's C++ prints; what is logged is told afterwards."""
    try:
        kept = os.dup(2)
    except OSError:  # there is no stderr
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    log = logging.getLogger()
    later = _Later()
    handlers, log.handlers = log.handlers, [later]
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        log.handlers = handlers
        for record in later.records:
            log.handle(record)


def _bound_blas(threads: int) -> None:
    """Ahead of NumPy, whose OpenBLAS would start a thread a core and keep them busy waiting."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", str(threads))


def _classifier(arguments: argparse.Namespace) -> Classifier:
    _bound_blas(arguments.threads)
    from ser_edge.adaptation.profile import Profile
    from ser_edge.classifier import Classifier

    with _interpreters_silent():
        return Classifier.load(
            _bundle(arguments.bundle),
            backend=arguments.backend,
            precision=arguments.precision,
            threads=arguments.threads,
            profile=Profile.load(arguments.profile) if arguments.profile else None,
        )


def _adapt(arguments: argparse.Namespace) -> int:
    check_writable(arguments.out, "--out", overwrite=arguments.overwrite)
    profile = _classifier(arguments).profile_of(arguments.clips)
    profile.save(arguments.out)
    if arguments.json:
        print(json.dumps(profile.to_dict()))
        return 0
    offsets = "  ".join(f"{label} {value:+.2f}" for label, value in profile.offset.items())
    print(f"{arguments.out}: learned from {profile.seconds:.0f} s; taken off are {offsets}")
    return 0


def _predict(arguments: argparse.Namespace) -> int:
    if arguments.segments or arguments.plot:
        return _predict_course(arguments)
    classifier = _classifier(arguments)
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


def _listen(arguments: argparse.Namespace) -> int:
    _bound_blas(arguments.threads)
    from ser_edge.listening.command import listen_command

    return listen_command(arguments, _classifier)


def _predict_course(arguments: argparse.Namespace) -> int:
    _bound_blas(arguments.threads)
    from ser_edge.streaming.segments import FORMATS, merge_segments
    from ser_edge.streaming.timeline import analyze
    from ser_edge.streaming.timeline_plot import check_picture, plot_timeline

    if len(arguments.clips) > 1 or arguments.json:
        raise SerEdgeError(
            "--segments and --plot go with one recording, and --json is --segments json; hear the "
            "recordings one by one"
        )
    if arguments.plot:
        check_writable(arguments.plot, "--plot", overwrite=arguments.overwrite)
        check_picture(arguments.plot)
    classifier = _classifier(arguments)
    heard = analyze(classifier, arguments.clips[0], hop_s=arguments.hop)
    if arguments.plot:
        plot_timeline(arguments.plot, heard)
    if arguments.segments:
        print(FORMATS[arguments.segments](merge_segments(heard.segments)))
    return 0


def _info(arguments: argparse.Namespace) -> int:
    from ser_edge.bundle import Bundle
    from ser_edge.cli.info import describe, to_dict

    bundle = Bundle.open(_bundle(arguments.bundle))
    for model in bundle.manifest.models:
        bundle.verified(model)
    print(json.dumps(to_dict(bundle)) if arguments.json else describe(bundle))
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    _bound_blas(1)
    from ser_edge.verify import verify

    report = verify(_bundle(arguments.bundle))
    print(json.dumps(report.to_dict()) if arguments.json else report)
    return 0 if report.ok else 1


def _bench(arguments: argparse.Namespace) -> int:
    _bound_blas(1)
    try:
        from ser_edge_bench.command import bench_command

        return bench_command(arguments, _bundle(arguments.bundle))
    except KeyboardInterrupt:
        _complain("interrupted; nothing was written")
        return 130


def _doctor(arguments: argparse.Namespace) -> int:
    from ser_edge.doctor import diagnose

    diagnosis = diagnose(arguments.bundle or os.environ.get(BUNDLE_VARIABLE) or None)
    print(json.dumps(diagnosis.to_dict()) if arguments.json else diagnosis)
    return 0 if diagnosis.works else 1


def _train(arguments: argparse.Namespace) -> int:
    from ser_edge_train.command import train_command

    train_command(arguments)
    return 0


def _evaluate(arguments: argparse.Namespace) -> int:
    from ser_edge_train.command import evaluate_command

    evaluate_command(arguments)
    return 0


def _export(arguments: argparse.Namespace) -> int:
    from ser_edge_export.command import export_command

    result = export_command(arguments)
    print(json.dumps(result.to_dict()) if arguments.json else result)
    return 0


def _demo(arguments: argparse.Namespace) -> int:
    from ser_edge_export.demo import demo

    demo(arguments.out)
    return 0


def _bundle(given: str | None) -> str | Path:
    from ser_edge.bundle import PRETRAINED

    return given or os.environ.get(BUNDLE_VARIABLE) or PRETRAINED


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "predict": _predict,
    "adapt": _adapt,
    "listen": _listen,
    "info": _info,
    "verify": _verify,
    "bench": _bench,
    "doctor": _doctor,
    "train": _train,
    "evaluate": _evaluate,
    "export": _export,
    "demo": _demo,
}


if __name__ == "__main__":
    entry_point()
