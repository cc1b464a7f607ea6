"""Input of `ser_edge.Classifier`: a file, or an array with its sample rate."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge import audio
from ser_edge.audio.decode import Part
from ser_edge.audio.source import check_size
from ser_edge.checks import check_number
from ser_edge.resampling import check_sample_rate

Recording = audio.AudioSource | NDArray[Any]
"""A path, a file's bytes, a binary file object, or an array of samples."""


def recording_name(recording: Recording) -> str:
    """Return the name for error messages: a file name, "the recording" or "the array".

    Examples
    --------
    >>> recording_name("recordings/clip.wav"), recording_name(np.zeros(9))
    ('clip.wav', 'the array')
    """
    return "the array" if isinstance(recording, np.ndarray) else audio.source_name(recording)


def check_limits(*, max_bytes: int | None, max_s: float | None, budget_s: float | None) -> None:
    """Raise `ConfigError` for a limit of `ser_edge.Classifier.predict` that is not positive.

    Examples
    --------
    >>> check_limits(max_bytes=None, max_s=-1, budget_s=None)
    Traceback (most recent call last):
    ser_edge.errors.ConfigError: max_s=-1, expected a number of seconds above 0
    """
    if max_bytes is not None:
        check_number("max_bytes", max_bytes, 1, integer=True, unit="bytes")
    for name, value in (("max_s", max_s), ("budget_s", budget_s)):
        if value is not None:
            check_number(name, value, 0, exclusive=True, unit="seconds")


def read_recording(
    recording: Recording, sample_rate: int | None, *, max_bytes: int | None, max_s: float | None
) -> tuple[NDArray[np.float32], int]:
    """Read a recording with `ser_edge.audio.read`, or check an array in the same way.

    Returns the samples [shape=(n,), dtype=float32] and their sample rate [Hz]. Raises `AudioError`
    if the recording cannot be used or exceeds a limit, `ConfigError` if an array comes without a
    legal sample rate.

    Examples
    --------
    >>> read_recording(np.zeros(48000, np.int16), 48000, max_bytes=None, max_s=0.5)
    Traceback (most recent call last):
    ser_edge.errors.AudioError: lasts 1.000 s, expected at most max_s=0.5; give a shorter recording
    """
    if not isinstance(recording, np.ndarray):
        return audio.read(recording, max_bytes=max_bytes, max_s=max_s)
    checked_rate = check_sample_rate(sample_rate)
    check_size(recording.nbytes, max_bytes)
    samples = audio.as_signal(recording)
    Part(max_s=max_s).span(len(samples), checked_rate)
    return samples, checked_rate
