"""When an emotion begins and when it ends, out of a stream's segments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from ser_edge.prediction import Segment


@dataclass(frozen=True)
class Event:
    """The beginning or the end of an emotion.

    Parameters
    ----------
    event : {"onset", "offset"}
        Which.
    label : str
        The emotion.
    time_s : float
        When, since the stream began [s].
    probability : float
        The label's, smoothed: of an onset, where it was decided on, of an offset where last heard.
    """

    event: str
    label: str
    time_s: float
    probability: float

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return asdict(self)


class Events:
    """Tell events from segments; `ser_edge.streaming.smoothing` has seen to it that they do not flicker."""

    def __init__(self) -> None:
        self._last: Segment | None = None

    def __call__(self, segment: Segment) -> Iterator[Event]:
        """Yield what a segment begins and ends."""
        last = self._last
        if last and segment.state == "speech" and segment.label == last.label:
            self._last = segment
            return
        yield from self.end()
        if segment.state == "speech":
            self._last = segment
            yield Event("onset", segment.label, segment.start_s, segment.probability)

    def end(self) -> Iterator[Event]:
        """Yield the end of what is still heard."""
        if self._last:
            yield Event("offset", self._last.label, self._last.end_s, self._last.probability)
        self._last = None
