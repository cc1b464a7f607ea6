"""Recordings as mono float32 samples: read, decoded, bounded, resampled."""

from ser_edge.audio.reading import as_signal, blocks, load, read
from ser_edge.audio.source import Source, source_name

__all__ = ["Source", "as_signal", "blocks", "load", "read", "source_name"]
