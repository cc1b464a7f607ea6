"""Onsets and offsets of emotions, from a stream's segments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from ser_edge.prediction import Segment


@dataclass(frozen=True)
class Event:
    """The onset or the offset of an emotion.

    Parameters
    ----------
    event : {"onset", "offset"}
        Which of them.
    label : str
        The emotion.
    time_s : float
        Time since the stream's start [s].
    probability : float
        The label's smoothed probability, in the first segment (onset) or the last one (offset).
    """

    event: str
    label: str
    time_s: float
    probability: float

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return asdict(self)


class Events:
    """Derive events from consecutive segments."""

    def __init__(self) -> None:
        self._last: Segment | None = None

    def __call__(self, segment: Segment) -> Iterator[Event]:
        """Yield the events of the next segment."""
        last = self._last
        if last and segment.label == last.label:
            self._last = segment
            return
        yield from self.end()
        if segment.label:
            self._last = segment
            yield Event("onset", segment.label, segment.start_s, segment.probability)

    def end(self) -> Iterator[Event]:
        """Yield the offset of the current emotion, if there is one."""
        last, self._last = self._last, None
        if last and last.label:
            yield Event("offset", last.label, last.end_s, last.probability)
