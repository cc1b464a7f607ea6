"""`ser-edge listen`: sources of sound, a thread that never waits, events, and a view."""

from ser_edge.listening.capture import Capture
from ser_edge.listening.events import Event, Events
from ser_edge.listening.session import Status, listen
from ser_edge.listening.sources import FileSource, Microphone, PcmSource, Source

__all__ = [
    "Capture",
    "Event",
    "Events",
    "FileSource",
    "Microphone",
    "PcmSource",
    "Source",
    "Status",
    "listen",
]
