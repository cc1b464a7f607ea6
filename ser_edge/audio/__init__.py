"""Read recordings as mono float32 samples."""

from ser_edge.audio.reading import as_signal, blocks, load, read
from ser_edge.audio.source import AudioSource, source_name

__all__ = ["AudioSource", "as_signal", "blocks", "load", "read", "source_name"]
