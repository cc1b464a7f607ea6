"""The recording that is measured with: a golden clip of the bundle as a WAV file, or a file."""

from __future__ import annotations

import io
import os
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ser_edge import audio
from ser_edge.bundle import Bundle
from ser_edge.errors import error_source
from ser_edge.frontend import Frontend
from ser_edge.resampling import resample
from ser_edge.verify.golden import read_golden


@dataclass(frozen=True)
class BenchClip:
    """A recording: the content of a file, and the number of the network's windows in it."""

    name: str
    content: bytes
    sample_rate: int
    seconds: float
    windows: int


def golden_clip(bundle: Bundle) -> BenchClip:
    """Make a 16-bit WAV file from the golden clip with the fewest windows, of these the longest.

    It has 48 kHz, or 44.1 kHz if the features have 48 kHz, so that resampling is measured too. It
    is one clip, because percentiles over several would show their lengths. `BundleError` if the
    bundle has no golden clips, or they are damaged.
    """
    clips = read_golden(bundle)
    number = min(range(len(clips)), key=lambda i: (len(clips[i].starts), -len(clips[i].samples)))
    original = bundle.manifest.input.features.sample_rate
    sample_rate = 44100 if original == 48000 else 48000
    samples = resample(audio.as_signal(clips[number].samples), original, sample_rate)
    content = wav_bytes(samples, sample_rate)
    return _clip(bundle, f"golden clip {number}", content, samples, sample_rate)


def clip_from_file(bundle: Bundle, path: str | os.PathLike[str]) -> BenchClip:
    """Read a recording; `AudioError` if it cannot be read, or is silent."""
    samples, sample_rate = audio.read(path)
    name = audio.source_name(path)
    return _clip(bundle, name, Path(path).read_bytes(), samples, sample_rate)


def _clip(
    bundle: Bundle, name: str, content: bytes, samples: NDArray[np.float32], sample_rate: int
) -> BenchClip:
    config = bundle.manifest.input
    resampled = resample(samples, sample_rate, config.features.sample_rate)
    with error_source(name):
        starts = Frontend(config.features, config.window).starts(resampled)
    return BenchClip(name, content, sample_rate, len(samples) / sample_rate, len(starts))


def wav_bytes(samples: NDArray[np.float32], sample_rate: int) -> bytes:
    """Return a 16-bit WAV file of samples within ±1.

    Examples
    --------
    >>> samples, sample_rate = audio.read(wav_bytes(np.full(8, 0.5, np.float32), 48000))
    >>> sample_rate, float(samples[0])
    (48000, 0.5)
    """
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setparams((1, 2, sample_rate, 0, "NONE", ""))
        wav.writeframes(np.clip(np.round(samples * 32768), -32768, 32767).astype("<i2").tobytes())
    return file.getvalue()
