"""`ser-edge listen`: live predictions from a microphone, a pipe or a file."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from ser_edge.choices import HOP_S, PCM_FORMATS, THRESHOLD
from ser_edge.cli.loading import limit_blas, load_classifier
from ser_edge.cli.options import add_hop, add_json, add_model, add_overwrite, add_profile
from ser_edge.cli.types import positive, probability
from ser_edge.errors import ConfigError
from ser_edge.terminal import printable

if TYPE_CHECKING:
    from ser_edge.classifier import Classifier
    from ser_edge.listening.events import Event
    from ser_edge.listening.session import Status
    from ser_edge.listening.sources import SampleSource
    from ser_edge.listening.view import View


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    source = parser.add_argument_group("source", "The microphone, unless FILE or --stdin is given.")
    add = source.add_argument
    add(
        "recording",
        nargs="?",
        metavar="FILE",
        help="WAV, FLAC, OGG or MP3 file; m4a, mp4, webm and amr by ffmpeg",
    )
    add("--realtime", action="store_true", help="process FILE in real time")
    add(
        "--stdin",
        action="store_true",
        help="raw samples or WAV from a pipe, such as `arecord -t raw`",
    )
    add("--sample-rate", type=positive, metavar="HZ", help="of --stdin or the microphone")
    add("--format", choices=PCM_FORMATS, help="of --stdin; default s16")
    add("--channels", type=positive, metavar="N", help="of --stdin; default 1")
    add("--device", metavar="NAME", help="microphone, by its number or a part of its name")
    add("--devices", action="store_true", help="list the microphones and exit")

    detection = parser.add_argument_group("detection")
    add_hop(detection)
    add = detection.add_argument
    add(
        "--threshold",
        type=probability,
        default=THRESHOLD,
        metavar="P",
        help=f"min smoothed probability of an emotion; default {THRESHOLD}",
    )
    add_profile(detection)
    add("--adapt", action="store_true", help="adapt to the speaker while listening")
    add("--save-profile", type=Path, metavar="FILE", help="write the profile that --adapt learned")
    add_overwrite(detection)
    add_model(parser)
    add_json(parser, "print a JSON object for each event")


def run(arguments: argparse.Namespace) -> int:
    """Process the source until it ends or a signal arrives, and print events."""
    _check_usage(arguments)
    limit_blas(arguments.threads)
    from ser_edge.files import check_writable
    from ser_edge.listening.session import listen
    from ser_edge.listening.sources import Microphone, devices
    from ser_edge.listening.view import View
    from ser_edge.streaming.smoothing import StreamConfig
    from ser_edge.streaming.stream import Stream

    if arguments.devices:
        print("\n".join(map(printable, devices())))
        return 0
    if arguments.save_profile:
        check_writable(arguments.save_profile, "--save-profile", overwrite=arguments.overwrite)
    classifier = load_classifier(arguments, arguments.profile)
    source = _source(arguments, classifier)
    stream = Stream(
        classifier,
        source.sample_rate,
        hop_s=arguments.hop or HOP_S,
        config=StreamConfig(threshold=arguments.threshold),
        adapt=arguments.adapt,
    )
    live = isinstance(source, Microphone) or arguments.realtime
    with ExitStack() as stack:
        view = None
        if not arguments.json and sys.stdout.isatty():
            title = f"{source.name}, {source.sample_rate} Hz; {classifier.bundle.manifest.name}"
            view = stack.enter_context(View(printable(title), classifier.labels))
        output = _Output(view, as_json=arguments.json)
        try:
            status = listen(
                source, stream, on_event=output.event, on_status=output.status, keep_pace=live
            )
        finally:
            if arguments.save_profile and stream.profile:
                stream.profile.save(arguments.save_profile)
        output.end(status)
    return 0


_OPTIONS_OF = {
    "FILE": ("realtime",),
    "--stdin": ("sample_rate", "format", "channels"),
    "--devices": (),
    "the microphone": ("sample_rate", "device"),
}


def _check_usage(arguments: argparse.Namespace) -> None:
    sources = {
        "--devices": arguments.devices,
        "--stdin": arguments.stdin,
        "FILE": arguments.recording,
    }
    given = [name for name, value in sources.items() if value]
    if len(given) > 1:
        raise ConfigError(f"argument {given[0]}: not allowed with {given[1]}", "leave out one")
    source = given[0] if given else "the microphone"
    for name in ("realtime", "sample_rate", "format", "channels", "device"):
        if getattr(arguments, name) and name not in _OPTIONS_OF[source]:
            option = f"--{name.replace('_', '-')}"
            raise ConfigError(f"argument {option}: has no effect with {source}", "leave it out")
    if arguments.stdin and not arguments.sample_rate:
        raise ConfigError("argument --stdin: needs --sample-rate", "add --sample-rate HZ")
    if arguments.stdin and sys.stdin is None:
        problem = "argument --stdin: standard input is closed"
        raise ConfigError(problem, "pipe audio in, such as from `arecord -t raw`")
    if sys.stdout is None:
        problem = "standard output is closed, and events are printed to it"
        raise ConfigError(problem, "leave it open, or redirect it to a file")
    if arguments.save_profile and not arguments.adapt:
        raise ConfigError("argument --save-profile: needs --adapt", "add --adapt")
    if arguments.overwrite and not arguments.save_profile:
        raise ConfigError("argument --overwrite: needs --save-profile", "add --save-profile FILE")


def _source(arguments: argparse.Namespace, classifier: Classifier) -> SampleSource:
    from ser_edge.listening.sources import FileSource, Microphone, PcmSource

    if arguments.recording:
        sample_rate = classifier.bundle.manifest.input.features.sample_rate
        return FileSource(arguments.recording, sample_rate, realtime=arguments.realtime)
    if arguments.stdin:
        return PcmSource(
            sys.stdin.buffer,
            arguments.sample_rate,
            arguments.format or "s16",
            arguments.channels or 1,
        )
    device = arguments.device
    return Microphone(
        int(device) if device and device.isdecimal() else device, arguments.sample_rate
    )


class _Output:
    """Shows events in a live view, or prints them as JSON or lines; notifies systemd."""

    def __init__(self, view: View | None, *, as_json: bool) -> None:
        from ser_edge.listening.watchdog import Watchdog

        self._view, self._json = view, as_json
        self._watchdog = Watchdog()
        self._watchdog.ready()

    def event(self, event: Event) -> None:
        if self._view:
            self._view.event(event)
            return
        line = f"{event.time_s:9.2f}  {event.event:<6}  {event.label}  {event.probability:.0%}"
        print(json.dumps(event.to_dict()) if self._json else line, flush=True)

    def status(self, status: Status) -> None:
        self._watchdog.alive()
        if self._view:
            self._view.status(status)

    def end(self, status: Status) -> None:
        if self._view:
            return
        totals = {name: getattr(status, name) for name in ("processed_s", "skipped", "dropped_s")}
        line = f"{status.processed_s:9.2f}  end"
        print(json.dumps({"event": "end", **totals}) if self._json else line, flush=True)
