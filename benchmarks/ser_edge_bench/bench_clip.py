"""The recording that is measured with: a golden clip of the bundle as a WAV file, or one's own."""

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
from ser_edge.errors import AudioError
from ser_edge.frontend import Frontend
from ser_edge.resampling import resample
from ser_edge.verify.golden import read_golden


@dataclass(frozen=True)
class BenchClip:
    """A recording, as the bytes of a file.

    Parameters
    ----------
    name : str
        What it is called.
    content : bytes
        The file.
    rate : int
        Its samples a second [Hz].
    seconds : float
        Its length [s].
    windows : int
        How many windows the bundle lays over it.
    """

    name: str
    content: bytes
    rate: int
    seconds: float
    windows: int


def golden_clip(bundle: Bundle) -> BenchClip:
    """Make a WAV file of 16 bits and 48 kHz from the golden clip that fills one window best.

    One clip, not all of them in turn: percentiles would else tell the clips' lengths. Where the
    features are of 48 kHz, it has 44.1 kHz, since resampling is to be measured too.

    Raises
    ------
    BundleError
        If the bundle has no golden clips, or they are damaged.
    """
    clips = read_golden(bundle)
    number = min(range(len(clips)), key=lambda i: (len(clips[i].starts), -len(clips[i].samples)))
    sample_rate = bundle.manifest.input.features.sample_rate
    rate = 44100 if sample_rate == 48000 else 48000
    samples = resample(audio.as_signal(clips[number].samples), sample_rate, rate)
    return _clip(bundle, f"golden clip {number}", wav_bytes(samples, rate), samples, rate)


def own_clip(bundle: Bundle, path: str | os.PathLike[str]) -> BenchClip:
    """Read a recording.

    Raises
    ------
    AudioError
        If it cannot be read, or holds nothing to classify.
    """
    samples, rate = audio.read(path)
    return _clip(bundle, audio.source_name(path), Path(path).read_bytes(), samples, rate)


def _clip(
    bundle: Bundle, name: str, content: bytes, samples: NDArray[np.float32], rate: int
) -> BenchClip:
    config = bundle.manifest.input
    at_rate = resample(samples, rate, config.features.sample_rate)
    try:
        starts = Frontend(config.features, config.window).starts(at_rate)
    except AudioError as error:
        raise AudioError(f"{name}: {error}") from None
    return BenchClip(name, content, rate, len(samples) / rate, len(starts))


def wav_bytes(samples: NDArray[np.float32], rate: int) -> bytes:
    """Return a WAV file of 16 bits with these samples, full scale at ±1.

    Examples
    --------
    >>> samples, rate = audio.read(wav_bytes(np.full(8, 0.5, np.float32), 48000))
    >>> rate, float(samples[0])
    (48000, 0.5)
    """
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setparams((1, 2, rate, 0, "NONE", ""))
        wav.writeframes(np.clip(np.round(samples * 32768), -32768, 32767).astype("<i2").tobytes())
    return file.getvalue()
