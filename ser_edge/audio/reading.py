"""Recordings as mono float32 samples: WAV by `ser_edge.audio.wav`, other formats by soundfile.

`read` gives the samples that ``librosa.load(path, sr=None, mono=True)`` (librosa 0.11) gives, bit
for bit; `load` resamples them too, and `blocks` does so for recordings of any length in constant
memory; `as_signal` is the gate for arrays that a caller already holds. Of a WAV file only the part
asked for is read, and never more than the file really holds, whatever its header says. Silence is a
legal recording here.
"""

import contextlib
import itertools
from collections.abc import Generator, Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ser_edge.audio.decode import Part, check_finite, decoded
from ser_edge.audio.source import Source, open_source, source_name
from ser_edge.audio.wav import full_scale
from ser_edge.errors import AudioError
from ser_edge.resampling import Resampler, check_sample_rate, resample


def read(
    source: Source,
    *,
    offset_s: float = 0.0,
    duration_s: float | None = None,
    max_bytes: int | None = None,
    max_s: float | None = None,
) -> tuple[NDArray[np.float32], int]:
    """Read a recording as mono samples at its own rate.

    WAV (PCM of 8, 16, 24 and 32 bit, float of 32 and 64 bit) needs nothing but NumPy; FLAC, OGG,
    MP3 and other WAV codecs need ``pip install 'ser-edge[audio]'``.

    Parameters
    ----------
    source : path, bytes-like or binary file object
        Where the recording is. A file object is read from its present position and left open; one
        that cannot seek is read to its end.
    offset_s : float >= 0
        Where to start [s].
    duration_s : float > 0, optional
        How much to read at most [s]; by default all.
    max_bytes : int > 0, optional
        Refuse a source of more bytes, before anything of it is decoded.
    max_s : float > 0, optional
        Refuse to decode more than this [s], before any of it is decoded where its header tells.

    Returns
    -------
    samples : np.ndarray [shape=(n,), dtype=float32]
        The mean over the channels, full scale at ±1; ``n > 0`` and every sample finite.
    sample_rate : int
        In Hz, 8000 to 192000.

    Raises
    ------
    AudioError
        If the recording is missing, empty, truncated, no audio or of an unknown codec, if it holds
        NaN or infinity, nothing at all between ``offset_s`` and ``offset_s + duration_s``, or more
        than ``max_bytes`` or ``max_s`` allow.

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
    with _named(source), open_source(source, max_bytes) as file:
        with decoded(file, part) as (rate, pieces):
            first, *others = pieces
    return np.concatenate([first, *others]) if others else first, rate


def load(
    source: Source,
    sample_rate: int,
    *,
    offset_s: float = 0.0,
    duration_s: float | None = None,
    max_bytes: int | None = None,
    max_s: float | None = None,
    engine: str = "numpy",
) -> NDArray[np.float32]:
    """Read a recording as mono samples at the rate wanted, as ``librosa.load`` does.

    Parameters
    ----------
    source : path, bytes-like or binary file object
        Where the recording is.
    sample_rate : int
        The rate wanted in Hz, 8000 to 192000.
    offset_s : float >= 0
        Where to start [s].
    duration_s : float > 0, optional
        How much to read at most [s]; by default all.
    max_bytes : int > 0, optional
        Refuse a source of more bytes, before anything of it is decoded.
    max_s : float > 0, optional
        Refuse to decode more than this [s], before any of it is decoded where its header tells.
    engine : {"numpy", "soxr"}
        What resamples, see `ser_edge.resampling.resample`.

    Returns
    -------
    np.ndarray [shape=(n,), dtype=float32]
        The samples at ``sample_rate``.

    Raises
    ------
    AudioError
        As `read`, and if ``sample_rate`` is out of range, or soxr is asked for and not installed.
    ConfigError
        If there is no such engine.

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
    samples, rate = read(
        source, offset_s=offset_s, duration_s=duration_s, max_bytes=max_bytes, max_s=max_s
    )
    return resample(samples, rate, sample_rate, engine=engine)


def blocks(
    source: Source,
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
        Where the recording is; it stays open until the last block, or until `close` is called on
        the generator.
    sample_rate : int
        The rate wanted in Hz, 8000 to 192000.
    block_s : float in [0.01, 3600]
        How long a block is [s]; only the last is shorter.
    offset_s, duration_s, max_bytes, max_s
        As for `load`.

    Yields
    ------
    np.ndarray [shape=(n,), dtype=float32]
        The samples at ``sample_rate``: together, bit for bit, what `load` returns.

    Raises
    ------
    AudioError
        As `load`, when the first block is fetched or when a later one turns out to be damaged.

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
    if not (isinstance(block_s, int | float | np.number) and 0.01 <= block_s <= 3600):
        raise AudioError(f"block_s={block_s!r}; expected 0.01 to 3600 seconds")
    check_sample_rate(sample_rate)
    part = Part(offset_s, duration_s, max_s)
    with _named(source), open_source(source, max_bytes) as file:
        with decoded(file, part) as (rate, pieces):
            resampler = Resampler(rate, sample_rate)
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


def as_signal(samples: ArrayLike) -> NDArray[np.float32]:
    """Check an array of samples and bring it to float32.

    Parameters
    ----------
    samples : array_like [shape=(n,), dtype=float, int16, int32 or uint8]
        One channel; integers are taken as PCM and scaled to ±1.

    Returns
    -------
    np.ndarray [shape=(n,), dtype=float32]
        ``n > 0`` and every sample finite; ``samples`` itself where it is that already.

    Raises
    ------
    AudioError
        If the array is empty, has other than one dimension, another type, or NaN or infinity.

    Examples
    --------
    >>> import numpy as np
    >>> from ser_edge.audio import as_signal
    >>> as_signal(np.array([0, 16384, -32768], np.int16))
    array([ 0. ,  0.5, -1. ], dtype=float32)
    """
    try:
        array = np.asarray(samples)
    except ValueError:
        raise AudioError("the samples are ragged; expected one channel, shape (n,)") from None
    if array.ndim != 1:
        raise AudioError(
            f"the samples have shape {array.shape}; expected one channel, shape (n,): "
            "average the channels"
        )
    if not array.size:
        raise AudioError("there are no samples; expected at least one")
    if array.dtype.kind != "f" and array.dtype.str[1:] not in ("u1", "i2", "i4"):
        raise AudioError(
            f"the samples are {array.dtype}; expected float within ±1, or int16, int32 or uint8 PCM"
        )
    return check_finite(np.ascontiguousarray(full_scale(array)))


@contextlib.contextmanager
def _named(source: Source) -> Iterator[None]:
    """Say in errors which recording it was."""
    try:
        yield
    except AudioError as error:
        raise AudioError(f"{source_name(source)}: {error}") from None
    except OSError as error:
        raise AudioError(
            f"{source_name(source)}: cannot be read ({error.strerror or type(error).__name__}); "
            "give a recording that can be"
        ) from error
