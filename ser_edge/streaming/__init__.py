"""Emotions in continuous audio: samples go in as they arrive, segments come out."""

from ser_edge.streaming.segments import FORMATS, merge_segments
from ser_edge.streaming.smoothing import StreamConfig
from ser_edge.streaming.stream import Stream
from ser_edge.streaming.timeline import Timeline, analyze

__all__ = ["FORMATS", "Stream", "StreamConfig", "Timeline", "analyze", "merge_segments"]
