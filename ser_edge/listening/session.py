"""Hear a source until it ends, tell events, and keep pace."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import FrameType

from ser_edge.listening.capture import Capture
from ser_edge.listening.events import Event, Events
from ser_edge.listening.sources import Source
from ser_edge.prediction import Segment
from ser_edge.streaming.stream import Stream

_WAIT_S = 0.1


@dataclass(frozen=True)
class Status:
    """How a session goes, each time that something was heard or nothing came for a while.

    Parameters
    ----------
    heard_s : float
        Time since the session began, by the sound [s].
    latency_s : float
        From a segment's last sample to its decision [s].
    level_db, floor_db : float
        See `ser_edge.streaming.stream.Stream`.
    skipped : int
        Windows that were not heard, to keep pace.
    dropped_s : float
        Sound that was lost [s].
    segment : Segment or None
        The last one.
    """

    heard_s: float
    latency_s: float
    level_db: float
    floor_db: float
    skipped: int
    dropped_s: float
    segment: Segment | None


def listen(
    source: Source,
    stream: Stream,
    *,
    on_event: Callable[[Event], None],
    on_status: Callable[[Status], None] = lambda _: None,
    keep_pace: bool = True,
) -> Status:
    """Hear a source until it ends, or until SIGINT or SIGTERM.

    The thread that takes sound in never waits. Where more than a hop has come in the meantime, the
    windows in between are skipped and counted.

    Parameters
    ----------
    source : Source
        Where sound comes from, at the stream's rate.
    stream : Stream
        Hears it.
    on_event : callable
        Gets each `Event`, the ends of what is heard at last too.
    on_status : callable
        Gets a `Status` now and then.
    keep_pace : bool
        Whether windows may be skipped and sound dropped; not, if the source can wait.

    Returns
    -------
    status : Status
        The last.

    Raises
    ------
    AudioError
        If the source failed; after all events were told.
    """
    capture = Capture(source, waits=not keep_pace)
    events = Events()
    base_s = 0.0  # when the stream began anew
    n_fed = 0
    fed_s = lost_s = 0.0
    skipped = 0
    status = Status(0.0, 0.0, stream.level_db, stream.floor_db, 0, 0.0, None)
    with _ended_by_signals(capture):
        capture.start()
        while True:
            samples, arrived_at = capture.fetch(_WAIT_S)
            if samples is None:
                break
            if capture.dropped_s > lost_s:  # what comes now does not follow what came before
                lost_s = capture.dropped_s
                skipped += stream.skipped
                stream.flush()
                base_s = fed_s + lost_s
            segments = stream.feed(samples, latest=keep_pace)
            n_fed += len(samples)
            fed_s = n_fed / source.sample_rate
            for segment in segments:
                moved = replace(
                    segment, start_s=base_s + segment.start_s, end_s=base_s + segment.end_s
                )
                for event in events(moved):
                    on_event(event)
                status = replace(status, segment=moved, latency_s=time.monotonic() - arrived_at)
            status = replace(
                status,
                heard_s=fed_s + lost_s,
                level_db=stream.level_db,
                floor_db=stream.floor_db,
                skipped=skipped + stream.skipped,
                dropped_s=lost_s,
            )
            on_status(status)
        for event in events.end():
            on_event(event)
    if capture.error:
        raise capture.error
    return status


@contextmanager
def _ended_by_signals(capture: Capture) -> Iterator[None]:
    """Let SIGINT and SIGTERM end the source instead of the program, in the main thread."""

    def end(number: int, frame: FrameType | None) -> None:
        capture.stop()

    main = threading.current_thread() is threading.main_thread()
    numbers = (signal.SIGINT, signal.SIGTERM) if main else ()
    before = [signal.signal(number, end) for number in numbers]
    try:
        yield
    finally:
        capture.stop()
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
