"""Recordings and arrays as mono float32 samples.

`read` returns the same samples as ``librosa.load(path, sr=None, mono=True)`` (librosa 0.11), bit
for bit, except for channels that cancel each other. `load` also resamples, `blocks` does the same
in constant memory, and `as_signal` checks arrays. Only the requested part of a WAV file is read.
Silence is legal here.
"""

import itertools
from collections.abc import Generator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ser_edge.audio.decode import Part, check_finite, decoded
from ser_edge.audio.source import AudioSource, open_source
from ser_edge.audio.wav import full_scale
from ser_edge.checks import check_number
from ser_edge.errors import AudioError, error_source
from ser_edge.resampling import Resampler, check_sample_rate, resample


def read(
    source: AudioSource,
    *,
    offset_s: float = 0.0,
    duration_s: float | None = None,
    max_bytes: int | None = None,
    max_s: float | None = None,
) -> tuple[NDArray[np.float32], int]:
    """Read a recording as mono samples at its own sample rate.

    WAV (PCM of 8, 16, 24 and 32 bit, float of 32 and 64 bit) needs nothing but NumPy. FLAC, OGG,
    MP3 and other WAV codecs need ``pip install 'ser-edge[audio]'``. M4A, MP4, WebM, AMR, AAC and
    WMA need the program ffmpeg.

    Parameters
    ----------
    source : path, bytes-like or binary file object
        A file object is read from its present position and left open. One that cannot seek is
        read to its end.
    offset_s : float >= 0
        Start of the part to read [s].
    duration_s : float >= 0, optional
        Maximum length of the part to read [s]; the default is all.
    max_bytes : int > 0, optional
        Maximum size of the source, checked before decoding.
    max_s : float > 0, optional
        Maximum length of the decoded part [s], checked before decoding if the header has it.

    Returns
    -------
    samples : np.ndarray [shape=(n,), dtype=float32]
        The mean of the channels, or one of them if they cancel each other, full scale at ±1;
        ``n > 0`` and every sample is finite.
    sample_rate : int
        In Hz, 8000 to 192000.

    Raises
    ------
    AudioError
        If the recording is missing, empty, truncated or of an unknown format, if it has NaN or
        infinity, if the requested part is empty, or if it exceeds a limit.
    ConfigError
        If an argument is out of range.

    Examples
    --------
    >>> import io, wave
    >>> from ser_edge.audio import read
    >>> file = io.BytesIO()
    >>> with wave.open(file, "wb") as wav:
    ...     wav.setparams((1, 2, 16000, 0, "NONE", ""))
    ...     wav.writeframes(b"@@" * 8000)
    >>> samples, sample_rate = read(file.getvalue(), offset_s=0.25)
    >>> samples.shape, float(samples[0]), sample_rate
    ((4000,), 0.501953125, 16000)
    """
    part = Part(offset_s, duration_s, max_s)
    with open_source(source, max_bytes) as file, decoded(file, part) as (file_rate, pieces):
        first, *others = pieces
    return np.concatenate([first, *others]) if others else first, file_rate


def load(
    source: AudioSource,
    sample_rate: int,
    *,
    offset_s: float = 0.0,
    duration_s: float | None = None,
    max_bytes: int | None = None,
    max_s: float | None = None,
) -> NDArray[np.float32]:
    """Read a recording as mono samples at a given sample rate, as ``librosa.load`` does.

    Parameters
    ----------
    source : path, bytes-like or binary file object
        As for `read`.
    sample_rate : int in [8000, 192000]
        Target sample rate [Hz].
    offset_s, duration_s, max_bytes, max_s
        As for `read`.

    Returns
    -------
    np.ndarray [shape=(n,), dtype=float32]
        The samples at ``sample_rate``.

    Raises
    ------
    AudioError, ConfigError
        As `read`.

    Examples
    --------
    >>> import io, wave
    >>> from ser_edge.audio import load
    >>> file = io.BytesIO()
    >>> with wave.open(file, "wb") as wav:
    ...     wav.setparams((1, 2, 16000, 0, "NONE", ""))
    ...     wav.writeframes(bytes(32000))
    >>> load(file.getvalue(), 22050, duration_s=0.5).shape
    (11025,)
    """
    sample_rate = check_sample_rate(sample_rate)
    samples, file_rate = read(
        source, offset_s=offset_s, duration_s=duration_s, max_bytes=max_bytes, max_s=max_s
    )
    return resample(samples, file_rate, sample_rate)


def blocks(
    source: AudioSource,
    sample_rate: int,
    *,
    block_s: float = 10.0,
    offset_s: float = 0.0,
    duration_s: float | None = None,
    max_bytes: int | None = None,
    max_s: float | None = None,
) -> Generator[NDArray[np.float32], None, None]:
    """Read a recording as `load` does, block by block and in constant memory.

    Parameters
    ----------
    source : path, bytes-like or binary file object
        As for `read`. It stays open until the last block, or until the generator is closed.
    sample_rate : int in [8000, 192000]
        Target sample rate [Hz].
    block_s : float in [0.01, 3600]
        Length of a block [s]; the last one may be shorter.
    offset_s, duration_s, max_bytes, max_s
        As for `read`.

    Yields
    ------
    np.ndarray [shape=(n,), dtype=float32]
        The samples at ``sample_rate``; concatenated, they are bit for bit what `load` returns.

    Raises
    ------
    AudioError, ConfigError
        As `read`, when the first block is fetched; `AudioError` also later, if the rest of the
        file is damaged.

    Examples
    --------
    >>> import io, wave
    >>> from ser_edge.audio import blocks
    >>> file = io.BytesIO()
    >>> with wave.open(file, "wb") as wav:
    ...     wav.setparams((1, 2, 16000, 0, "NONE", ""))
    ...     wav.writeframes(bytes(2 * 16000 * 25))
    >>> [block.shape for block in blocks(file.getvalue(), 22050)]
    [(220500,), (220500,), (110250,)]
    """
    check_number("block_s", block_s, 0.01, 3600, unit="seconds")
    sample_rate = check_sample_rate(sample_rate)
    part = Part(offset_s, duration_s, max_s)
    with open_source(source, max_bytes) as file, decoded(file, part) as (file_rate, pieces):
        resampler = Resampler(file_rate, sample_rate)
        block, filled = np.empty(round(block_s * sample_rate), np.float32), 0
        for piece in itertools.chain(pieces, [None]):
            chunk = resampler.flush() if piece is None else resampler.feed(piece)
            while chunk.size:
                n = min(chunk.size, block.size - filled)
                block[filled : filled + n] = chunk[:n]
                filled, chunk = filled + n, chunk[n:]
                if filled == block.size:
                    yield block
                    block, filled = np.empty_like(block), 0
        if filled:
            yield block[:filled]


def as_signal(samples: ArrayLike, name: str = "the array") -> NDArray[np.float32]:
    """Check an array of samples and convert it to float32.

    Parameters
    ----------
    samples : array_like [shape=(n,), dtype=float, int16, int32 or uint8]
        One channel; integers are PCM and are scaled to ±1.
    name : str
        The source in error messages.

    Returns
    -------
    np.ndarray [shape=(n,), dtype=float32]
        ``n > 0`` and every sample is finite; ``samples`` itself if no conversion is needed.

    Raises
    ------
    AudioError
        If the array is empty, not one-dimensional, of another type, or has NaN or infinity.

    Examples
    --------
    >>> import numpy as np
    >>> from ser_edge.audio import as_signal
    >>> as_signal(np.array([0, 16384, -32768], np.int16))
    array([ 0. ,  0.5, -1. ], dtype=float32)
    """
    with error_source(name):
        try:
            array = np.asarray(samples)
        except ValueError:
            raise AudioError("is ragged, expected one channel of shape (n,)") from None
        except (RuntimeError, TypeError) as error:  # such as a tensor on a GPU
            raise AudioError(
                f"is a {type(samples).__name__} that cannot be an array "
                f"({' '.join(str(error).split())})",
                "pass a NumPy array",
            ) from error
        if array.ndim != 1:
            raise AudioError(
                f"has shape {array.shape}, expected one channel of shape (n,)",
                "average the channels",
            )
        if not array.size:
            raise AudioError("has no samples, expected at least one")
        if array.dtype.kind != "f" and array.dtype.str[1:] not in ("u1", "i2", "i4"):
            raise AudioError(
                f"has dtype {array.dtype}, expected float within ±1, or int16, int32 or uint8 PCM"
            )
        return check_finite(np.ascontiguousarray(full_scale(array)))
