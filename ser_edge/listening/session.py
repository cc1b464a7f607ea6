"""Process a source until it ends: segments become events, and a slow machine skips windows."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import FrameType

from ser_edge.errors import SerEdgeError
from ser_edge.listening.capture import Capture
from ser_edge.listening.events import Event, Events
from ser_edge.listening.sources import SampleSource
from ser_edge.prediction import Segment
from ser_edge.streaming.stream import Stream

_WAIT_S = 0.1  # the longest time without a status, so that a watchdog or a view stays up to date


@dataclass(frozen=True)
class Status:
    """Progress of a session.

    Parameters
    ----------
    processed_s : float
        Time in the source up to which it was processed [s].
    latency_s : float
        The delay that a person meets: from a change of emotion to its label [s]. It is the
        stream's ``delay_s``, and the time from the arrival of the last segment's audio to its
        label.
    level_db, floor_db : float
        See `ser_edge.streaming.stream.Stream`.
    skipped : int
        Windows left out to keep pace.
    dropped_s : float
        Audio lost because the buffer was full [s].
    segment : Segment or None
        The last one.
    """

    processed_s: float
    latency_s: float
    level_db: float
    floor_db: float
    skipped: int
    dropped_s: float
    segment: Segment | None


def listen(
    source: SampleSource,
    stream: Stream,
    *,
    on_event: Callable[[Event], None],
    on_status: Callable[[Status], None] = lambda _: None,
    keep_pace: bool = True,
) -> Status:
    """Process a source until it ends, or until SIGINT or SIGTERM.

    Parameters
    ----------
    source : SampleSource
        The audio, at the stream's sample rate.
    stream : Stream
        The network and its settings.
    on_event : callable
        Called with each `Event`; at the end also with the last offset.
    on_status : callable
        Called with a `Status` after each piece of audio, and at least every 0.1 s.
    keep_pace : bool
        Whether to skip windows and drop audio when the machine is too slow. Not for a source that
        can wait.

    Returns
    -------
    status : Status
        The last one.

    Raises
    ------
    AudioError
        If the source failed or its samples cannot be used; after all events.
    BackendError
        If the interpreter fails; after all events.
    """
    capture = Capture(source, waits=not keep_pace)
    events = Events()
    base_s = 0.0  # where the stream's time began, in the source
    n_fed = 0
    fed_s = lost_s = 0.0
    skipped = 0
    failure: Exception | None = None
    status = Status(0.0, stream.delay_s, stream.level_db, stream.floor_db, 0, 0.0, None)
    with _stopped_by_signals(capture):
        capture.start()
        while True:
            samples, arrived_at = capture.fetch(_WAIT_S)
            if samples is None:
                break
            if capture.dropped_s > lost_s:  # these samples do not continue the previous ones
                lost_s = capture.dropped_s
                skipped += stream.skipped
                stream.flush()
                base_s = fed_s + lost_s
            try:
                segments = stream.feed(samples, latest=keep_pace)
            except SerEdgeError as error:
                failure = error
                break
            n_fed += len(samples)
            fed_s = n_fed / source.sample_rate
            for segment in segments:
                moved = replace(
                    segment, start_s=base_s + segment.start_s, end_s=base_s + segment.end_s
                )
                for event in events(moved):
                    on_event(event)
                latency_s = stream.delay_s + time.monotonic() - arrived_at
                status = replace(status, segment=moved, latency_s=latency_s)
            status = replace(
                status,
                processed_s=fed_s + lost_s,
                level_db=stream.level_db,
                floor_db=stream.floor_db,
                skipped=skipped + stream.skipped,
                dropped_s=lost_s,
            )
            on_status(status)
        for event in events.end():
            on_event(event)
    failure = failure or capture.error
    if failure:
        raise failure
    return status


@contextmanager
def _stopped_by_signals(capture: Capture) -> Iterator[None]:
    """Let SIGINT and SIGTERM stop the capture; only the main thread can set handlers."""

    def stop(number: int, frame: FrameType | None) -> None:
        capture.stop()

    main = threading.current_thread() is threading.main_thread()
    numbers = (signal.SIGINT, signal.SIGTERM) if main else ()
    before = [signal.signal(number, stop) for number in numbers]
    try:
        yield
    finally:
        capture.stop()
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
