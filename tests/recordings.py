"""Recordings for tests, written by soundfile or chunk by chunk."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

RATE = 16000


def written(
    samples: NDArray[Any], rate: int = RATE, subtype: str = "PCM_16", container: str = "WAV"
) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, subtype, format=container)
    return file.getvalue()


def by_soundfile(data: bytes) -> NDArray[np.float32]:
    """Decode a recording as librosa does, without resampling."""
    samples, _ = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    return np.asarray(samples.T.mean(axis=0), np.float32)


def chunk(name: bytes, body: bytes, length: int | None = None) -> bytes:
    size = struct.pack("<I", len(body) if length is None else length)
    return name + size + body + b"\0" * (len(body) % 2)


def fmt(
    tag: int = 1, channels: int = 1, rate: int = RATE, bits: int = 16, align: int | None = None
) -> bytes:
    align = channels * bits // 8 if align is None else align
    return struct.pack("<HHIIHH", tag, channels, rate, min(rate * align, 2**32 - 1), align, bits)


def riff(*chunks: bytes) -> bytes:
    return chunk(b"RIFF", b"WAVE" + b"".join(chunks))


def tone(n: int = 800) -> bytes:
    return np.array(12000 * np.sin(2 * np.pi * 440 * np.arange(n) / RATE), "<i2").tobytes()
