"""What the words of `ser-edge listen` mean."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from ser_edge.classifier import Classifier
from ser_edge.errors import SerEdgeError
from ser_edge.files import check_writable
from ser_edge.listening.events import Event
from ser_edge.listening.session import Status, listen
from ser_edge.listening.sources import FileSource, Microphone, PcmSource, Source, devices
from ser_edge.listening.view import View
from ser_edge.listening.watchdog import Watchdog
from ser_edge.streaming.smoothing import StreamConfig
from ser_edge.streaming.stream import Stream


def listen_command(
    arguments: argparse.Namespace, load: Callable[[argparse.Namespace], Classifier]
) -> int:
    """Run `ser-edge listen` with the options that `ser_edge.cli.parser` parsed.

    Parameters
    ----------
    arguments : argparse.Namespace
        The options.
    load : callable
        Opens the classifier that they name.

    Returns
    -------
    status : int
        0, also where a signal ended it.

    Raises
    ------
    SerEdgeError
        If source or bundle cannot be used, or the source fails on the way.
    """
    if arguments.devices:
        print("\n".join(devices()))
        return 0
    if arguments.save_profile and not arguments.adapt:
        raise SerEdgeError("--save-profile goes with --adapt, which learns what is saved")
    if arguments.save_profile:
        check_writable(arguments.save_profile, "--save-profile", overwrite=True)
    classifier = load(arguments)
    source = _source(arguments, classifier)
    stream = Stream(
        classifier,
        source.sample_rate,
        hop_s=arguments.hop,
        decisions=StreamConfig(threshold=arguments.threshold),
        adapt=arguments.adapt,
    )
    live = isinstance(source, Microphone) or arguments.realtime
    with ExitStack() as stack:
        told = _Told(arguments, classifier, source, stack)
        try:
            status = listen(
                source, stream, on_event=told.event, on_status=told.status, keep_pace=live
            )
        finally:
            if arguments.save_profile and stream.profile:
                stream.profile.save(arguments.save_profile)
        told.end(status)
    return 0


def _source(arguments: argparse.Namespace, classifier: Classifier) -> Source:
    if arguments.recording and arguments.stdin:
        raise SerEdgeError("a file and --stdin: expected one source of sound")
    if arguments.recording:
        sample_rate = classifier.bundle.manifest.input.features.sample_rate
        return FileSource(arguments.recording, sample_rate, realtime=arguments.realtime)
    if arguments.stdin:
        if not arguments.sample_rate:
            raise SerEdgeError("--stdin needs --sample-rate, the samples a second of what comes in")
        channels = arguments.channels
        return PcmSource(sys.stdin.buffer, arguments.sample_rate, arguments.format, channels)
    device = arguments.device
    return Microphone(
        int(device) if device and device.isdecimal() else device, arguments.sample_rate
    )


class _Told:
    """Tells what is heard: as JSON, in a live view, or, where there is no terminal, as lines."""

    def __init__(
        self,
        arguments: argparse.Namespace,
        classifier: Classifier,
        source: Source,
        stack: ExitStack,
    ) -> None:
        self._json = arguments.json
        self._watchdog = Watchdog()
        self._watchdog.ready()
        self._view: View | None = None
        if not self._json and sys.stdout.isatty():
            title = f"{source.name}, {source.sample_rate} Hz; {classifier.bundle.manifest.name}"
            self._view = stack.enter_context(View(title, classifier.labels))

    def event(self, event: Event) -> None:
        if self._view:
            self._view.event(event)
        elif self._json:
            self._line(event.to_dict())
        else:
            share = f"{event.probability:.0%}"
            print(f"{event.time_s:9.2f}  {event.event:<6}  {event.label}  {share}", flush=True)

    def status(self, status: Status) -> None:
        self._watchdog.alive()
        if self._view:
            self._view.status(status)

    def end(self, status: Status) -> None:
        if self._json:
            names = ("heard_s", "skipped", "dropped_s")
            self._line({"event": "end", **{name: getattr(status, name) for name in names}})
        elif not self._view:
            print(f"{status.heard_s:9.2f}  end", flush=True)

    def _line(self, content: dict[str, Any]) -> None:
        print(json.dumps(content), flush=True)
