"""The live view in a terminal: a bar for each emotion, the level, latency and events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ser_edge.listening.events import Event
from ser_edge.listening.session import Status
from ser_edge.streaming.segments import displayed_label

if TYPE_CHECKING:
    from rich.console import RenderableType

_WIDTH = 30  # of a bar, in characters
_QUIET_DB = -70.0  # the level bar's left end
_N_EVENTS = 5  # shown at a time


class View:
    """A live view; a context manager. Needs ``rich``.

    Parameters
    ----------
    title : str
        The source and the network.
    labels : sequence of str
        The emotions.
    """

    def __init__(self, title: str, labels: Sequence[str]) -> None:
        from rich.live import Live

        self._title, self._labels = title, labels
        self._events: list[Event] = []
        self._live = Live(refresh_per_second=10, transient=False)

    def __enter__(self) -> View:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def event(self, event: Event) -> None:
        """Add an event to the list of the last ones."""
        self._events = [*self._events, event][-_N_EVENTS:]

    def status(self, status: Status) -> None:
        """Redraw."""
        self._live.update(self._picture(status))

    def _picture(self, status: Status) -> RenderableType:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        segment = status.segment
        silent = segment is None or segment.state == "silence"
        bars = Table.grid(padding=(0, 1))
        for label in self._labels:
            share = segment.probabilities[label] if segment else 0.0
            active = segment is not None and segment.label == label
            bars.add_row(
                Text(label, style="bold" if active else "dim" if silent else ""),
                Text(_bar(share), style="cyan" if active else "dim"),
                Text(f"{share:4.0%}", style="dim" if silent else ""),
            )
        level = (status.level_db - _QUIET_DB) / -_QUIET_DB
        bars.add_row("level", Text(_bar(level), style="green"), f"{status.level_db:.0f} dB")
        now = displayed_label(segment) if segment else "listening ..."
        if segment and segment.label:
            now += f", {segment.probability:.0%}"
        pace = f"{status.processed_s:7.1f} s   latency {status.latency_s:.1f} s"
        if status.skipped or status.dropped_s:
            pace += f"   skipped {status.skipped}, dropped {status.dropped_s:.1f} s"
        events = [
            f"{event.time_s:8.1f} s  {event.event:<6}  {event.label}" for event in self._events
        ]
        return Group(Text(self._title, style="dim"), bars, Text(now, style="bold"), pace, *events)


def _bar(share: float) -> str:
    return ("█" * round(_WIDTH * min(max(share, 0.0), 1.0))).ljust(_WIDTH, "·")
