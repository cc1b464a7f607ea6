"""Input of `ser_edge.Classifier`: a file, or an array with its sample rate."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge import audio
from ser_edge.audio.decode import Part, decoded
from ser_edge.audio.source import check_size, open_source
from ser_edge.checks import check_number
from ser_edge.errors import ConfigError
from ser_edge.resampling import Resampler, check_sample_rate

Recording = audio.AudioSource | NDArray[Any]
"""A path, a file's bytes, a binary file object, or an array of samples."""

_PIECE = 1 << 17  # samples of an array that are resampled at once


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


@contextlib.contextmanager
def opened_recording(
    recording: Recording,
    sample_rate: int | None,
    target_rate: int,
    *,
    max_bytes: int | None = None,
    max_s: float | None = None,
) -> Iterator[Callable[[], Iterator[NDArray[np.float32]]]]:
    """Open a recording to read it more than once, piece by piece.

    Yields a function that returns the pieces from the beginning, at the target rate [Hz].
    Concatenated, they are what `ser_edge.audio.load` returns. Raises `AudioError` if the recording
    cannot be used or exceeds a limit, `ConfigError` if an array comes without a legal sample rate,
    or a file with one.

    Examples
    --------
    >>> with opened_recording(np.zeros(48000, np.int16), 48000, 16000) as pieces:
    ...     sum(len(piece) for piece in pieces()), sum(len(piece) for piece in pieces())
    (16000, 16000)
    """
    part = Part(max_s=max_s)
    if isinstance(recording, np.ndarray):
        checked_rate = check_sample_rate(sample_rate)
        check_size(recording.nbytes, max_bytes)
        samples = audio.as_signal(recording)
        part.span(len(samples), checked_rate)
        starts = range(0, len(samples), _PIECE)
        yield lambda: _resampled(
            (samples[start : start + _PIECE] for start in starts), checked_rate, target_rate
        )
        return
    is_file = isinstance(recording, str | os.PathLike | bytes | bytearray | memoryview)
    if sample_rate is not None and (is_file or hasattr(recording, "read")):
        raise ConfigError(
            f"sample_rate={sample_rate!r}, expected none, since the recording has its own",
            "leave it out, or pass the samples as a NumPy array",
        )
    with open_source(recording, max_bytes) as file:
        begin = file.tell()

        def pieces() -> Iterator[NDArray[np.float32]]:
            file.seek(begin)
            with decoded(file, part) as (file_rate, decoded_pieces):
                yield from _resampled(decoded_pieces, file_rate, target_rate)

        yield pieces


def _resampled(
    pieces: Iterable[NDArray[np.float32]], sample_rate: int, target_rate: int
) -> Iterator[NDArray[np.float32]]:
    resampler = Resampler(sample_rate, target_rate)
    for piece in pieces:
        yield resampler.feed(piece)
    yield resampler.flush()
