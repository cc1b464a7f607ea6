"""What can be classified, as mono samples at their own rate: any audio source, or an array."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge import audio
from ser_edge.errors import AudioError, ConfigError
from ser_edge.resampling import check_sample_rate

Recording = audio.Source | NDArray[Any]
"""A path, a file's bytes, a file object, or samples with their rate."""


def recording_name(recording: Recording) -> str:
    """Return what messages call a recording: its file name, "the recording" or "the array".

    Examples
    --------
    >>> recording_name("recordings/clip.wav"), recording_name(np.zeros(9))
    ('clip.wav', 'the array')
    """
    return "the array" if isinstance(recording, np.ndarray) else audio.source_name(recording)


def check_limits(*, max_bytes: int | None, max_s: float | None, budget_s: float | None) -> None:
    """Refuse limits that nothing can keep to.

    Parameters
    ----------
    max_bytes : int > 0, optional
        Most bytes of a recording.
    max_s : float > 0, optional
        Longest recording [s].
    budget_s : float > 0, optional
        Most time for an answer [s].

    Raises
    ------
    ConfigError
        If one is zero, negative, not finite or no number.

    Examples
    --------
    >>> check_limits(max_bytes=None, max_s=-1, budget_s=None)
    Traceback (most recent call last):
    ser_edge.errors.ConfigError: max_s=-1; expected a number of seconds above 0
    """
    limits = (
        ("max_bytes", max_bytes, Integral, "whole bytes"),
        ("max_s", max_s, Real, "seconds"),
        ("budget_s", budget_s, Real, "seconds"),
    )
    for name, value, kind, unit in limits:
        legal = isinstance(value, kind) and not isinstance(value, bool) and 0 < value < math.inf
        if value is not None and not legal:
            raise ConfigError(f"{name}={value!r}; expected a number of {unit} above 0")


def read_recording(
    recording: Recording, sample_rate: int | None, *, max_bytes: int | None, max_s: float | None
) -> tuple[NDArray[np.float32], int]:
    """Read a recording, within limits.

    Parameters
    ----------
    recording : path, bytes, binary file object, or np.ndarray [shape=(n,)]
        A file as `ser_edge.audio.read` takes it, or mono samples.
    sample_rate : int > 0, optional
        Samples a second [Hz]; with an array, and only then.
    max_bytes : int > 0, optional
        Refuse a longer file or array.
    max_s : float > 0, optional
        Refuse a longer recording [s].

    Returns
    -------
    samples : np.ndarray [shape=(n,), dtype=float32]
    sample_rate : int
        In Hz.

    Raises
    ------
    AudioError
        If it cannot be read, is empty, not finite, or longer than the limits.
    ConfigError
        If an array comes without its rate.

    Examples
    --------
    >>> read_recording(np.zeros(48000, np.int16), 48000, max_bytes=None, max_s=0.5)
    Traceback (most recent call last):
    ser_edge.errors.AudioError: the array: holds 1.000 s; expected at most max_s=0.5, give a ...
    """
    if not isinstance(recording, np.ndarray):
        return audio.read(recording, max_bytes=max_bytes, max_s=max_s)
    if not isinstance(sample_rate, Real):
        raise ConfigError(f"sample_rate={sample_rate!r}; expected the array's samples a second")
    check_sample_rate(sample_rate)
    if max_bytes is not None and recording.nbytes > max_bytes:
        raise AudioError(
            f"the array: has {recording.nbytes} bytes; expected at most max_bytes={max_bytes}, "
            "give a shorter recording"
        )
    samples = audio.as_signal(recording)
    if max_s is not None and len(samples) > max_s * sample_rate:
        raise AudioError(
            f"the array: holds {len(samples) / sample_rate:.3f} s; expected at most max_s={max_s}, "
            "give a shorter recording"
        )
    return samples, sample_rate
