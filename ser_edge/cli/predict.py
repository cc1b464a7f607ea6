"""`ser-edge predict`: the emotion in recordings, or the timeline of one."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ser_edge.choices import HOP_S, SEGMENT_FORMATS
from ser_edge.cli.loading import limit_blas, load_classifier
from ser_edge.cli.options import add_hop, add_json, add_overwrite, add_profile, add_recordings
from ser_edge.cli.stderr import print_error
from ser_edge.errors import ConfigError, SerEdgeError
from ser_edge.terminal import printable

if TYPE_CHECKING:
    from ser_edge.prediction import Prediction


_LONG_S = 60.0  # of a recording that takes a while, and in which emotions change


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_recordings(parser)
    add_profile(parser)
    add_json(parser, "print a JSON object for each recording")
    timeline = parser.add_argument_group(
        "timeline", "When each emotion occurs in one recording, of any length."
    )
    timeline.add_argument(
        "--segments",
        nargs="?",
        const="table",
        choices=SEGMENT_FORMATS,
        metavar="FORMAT",
        help=f"print it as {', '.join(SEGMENT_FORMATS)}; default table",
    )
    timeline.add_argument(
        "--plot", type=Path, metavar="FILE", help="plot it as a PNG, SVG or PDF file"
    )
    add_overwrite(timeline)
    add_hop(timeline)


def run(arguments: argparse.Namespace) -> int:
    """Print the predictions; 1 if a recording could not be used."""
    if arguments.segments or arguments.plot:
        return _timeline(arguments)
    for option, given in (("--hop", arguments.hop), ("--overwrite", arguments.overwrite)):
        if given:
            raise ConfigError(
                f"argument {option}: has no effect without a timeline", "add --segments or --plot"
            )
    classifier = load_classifier(arguments, arguments.profile)
    status = 0
    width = max(len(printable(clip)) for clip in arguments.clips)
    for clip in arguments.clips:
        try:
            with _Progress() as progress:
                prediction = classifier.predict(clip, progress=progress)
        except SerEdgeError as error:
            print_error(error)
            status = 1
            continue
        if arguments.json:
            print(json.dumps({"clip": clip, **prediction.to_dict()}), flush=True)
        else:
            if prediction.label is None:
                print(f"{printable(clip):<{width}}  {prediction.state}", flush=True)
            else:
                print(f"{printable(clip):<{width}}  {_ranked(prediction)}", flush=True)
        if progress.shown and not arguments.json:
            print(
                "ser-edge: this is one label for all of a long recording; --segments shows when "
                "each emotion occurs",
                file=sys.stderr,
            )
    return status


def _ranked(prediction: Prediction) -> str:
    ranked = sorted(prediction.probabilities.items(), key=lambda item: -item[1])
    others = "  ".join(f"{label} {value:.0%}" for label, value in ranked[1:3])
    return f"{prediction.label:<8} {prediction.probability:4.0%}   {others}"


class _Progress:
    """Shows on a terminal how much of a long recording is done."""

    def __init__(self) -> None:
        self.shown = False

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self.shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    def __call__(self, position_s: float) -> None:
        if position_s > _LONG_S and sys.stderr and sys.stderr.isatty():
            self.shown = True
            minutes, seconds = divmod(int(position_s), 60)
            print(f"\r{minutes}:{seconds:02} min done", end="", file=sys.stderr, flush=True)


def _timeline(arguments: argparse.Namespace) -> int:
    option = "--segments" if arguments.segments else "--plot"
    if len(arguments.clips) > 1:
        raise ConfigError(
            f"argument {option}: {len(arguments.clips)} recordings, expected one",
            "run the command once for each recording",
        )
    if arguments.json:
        raise ConfigError(f"argument {option}: not allowed with --json", "use --segments json")
    limit_blas(arguments.threads)
    from ser_edge.files import check_writable
    from ser_edge.streaming.segments import FORMATS, merge_segments
    from ser_edge.streaming.timeline import analyze
    from ser_edge.streaming.timeline_plot import check_picture, plot_timeline

    if arguments.overwrite and not arguments.plot:
        raise ConfigError("argument --overwrite: has no effect without --plot", "leave it out")
    if arguments.plot:
        check_picture(arguments.plot)
        check_writable(arguments.plot, "--plot", overwrite=arguments.overwrite)
    classifier = load_classifier(arguments, arguments.profile)
    [clip] = arguments.clips
    with _Progress() as progress:
        timeline = analyze(classifier, clip, hop_s=arguments.hop or HOP_S, progress=progress)
    if arguments.plot:
        plot_timeline(arguments.plot, timeline, title=Path(clip).name)
    if arguments.segments:
        print(FORMATS[arguments.segments](merge_segments(timeline.segments)))
    return 0
