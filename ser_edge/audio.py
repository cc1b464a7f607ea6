"""Recordings as mono float32 samples: WAV by `ser_edge.wav`, other formats by soundfile.

`read` gives the samples that ``librosa.load(path, sr=None, mono=True)`` (librosa 0.11) gives, bit
for bit; `load` resamples them too; `as_signal` is the gate for arrays that a caller already holds.
Of a WAV file only the part asked for is read, and never more than the file really holds, whatever
its header says. Silence is a legal recording here.
"""

import contextlib
import io
import math
import os
from typing import BinaryIO

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ser_edge.errors import AudioError
from ser_edge.resample import check_rate, resample
from ser_edge.wav import full_scale, read_frames, read_header

Source = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO

# soundfile's headers may promise any length, so its samples are fetched in pieces.
_PIECE = 1 << 16


def read(
    source: Source, *, offset_s: float = 0.0, duration_s: float | None = None
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
        NaN or infinity, or nothing at all between ``offset_s`` and ``offset_s + duration_s``.

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
    for setting, value in (("offset_s", offset_s), ("duration_s", duration_s)):
        if value is not None and not 0 <= value < math.inf:
            raise AudioError(f"{setting}={value!r}; expected a number of seconds, 0 or more")
    try:
        with _open(source) as file:
            samples, rate = _decode(file, offset_s, duration_s)
        return _finite(samples), rate
    except AudioError as error:
        raise AudioError(f"{source_name(source)}: {error}") from None
    except OSError as error:
        raise AudioError(
            f"{source_name(source)}: cannot be read ({error.strerror or type(error).__name__}); "
            "give a recording that can be"
        ) from error


def load(
    source: Source, sample_rate: int, *, offset_s: float = 0.0, duration_s: float | None = None
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

    Returns
    -------
    np.ndarray [shape=(n,), dtype=float32]
        The samples at ``sample_rate``.

    Raises
    ------
    AudioError
        As `read`, and if ``sample_rate`` is out of range.

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
    samples, rate = read(source, offset_s=offset_s, duration_s=duration_s)
    return resample(samples, rate, sample_rate)


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
    return _finite(np.ascontiguousarray(full_scale(array)))


def _finite(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    finite = np.isfinite(samples)
    if not finite.all():
        first = int(finite.argmin())
        raise AudioError(
            f"sample {first} is {samples[first]}; expected finite samples, record or convert again"
        )
    return samples


def source_name(source: Source) -> str:
    """Return what messages call a source: its file name, or "the recording"."""
    path = source if isinstance(source, str | os.PathLike) else getattr(source, "name", None)
    if not isinstance(path, str | os.PathLike):
        return "the recording"
    return os.path.basename(os.fsdecode(path)) or os.fsdecode(path) or "the empty path"


def _open(source: Source) -> contextlib.AbstractContextManager[BinaryIO]:
    """Give a binary file that can seek; only what is opened here is closed on leaving."""
    if isinstance(source, str | os.PathLike):
        if os.path.isdir(source):
            raise AudioError("is a directory; give one recording")
        try:
            file: BinaryIO = open(source, "rb")
        except FileNotFoundError:
            raise AudioError("does not exist; give the path of a recording") from None
        except ValueError:
            raise AudioError("is no legal path; give the path of a recording") from None
        if file.seekable():
            return file
        with file:
            return io.BytesIO(file.read())
    if isinstance(source, bytes | bytearray | memoryview):
        return io.BytesIO(bytes(source))
    if not hasattr(source, "read") or isinstance(source, io.TextIOBase):
        raise AudioError(
            f"cannot be read from {type(source).__name__}; expected a path, bytes or a binary file "
            "(as_signal takes arrays)"
        )
    if source.seekable():
        return contextlib.nullcontext(source)
    return io.BytesIO(source.read())


def _decode(
    file: BinaryIO, offset_s: float, duration_s: float | None
) -> tuple[NDArray[np.float32], int]:
    begin = file.tell()
    header = read_header(file)
    if isinstance(header, str):
        return _decode_foreign(file, begin, header, offset_s, duration_s)
    first, count = _span(header.n_frames, header.rate, offset_s, duration_s)
    return _mono(read_frames(file, header, first, count)), header.rate


def _span(n: int, rate: int, offset_s: float, duration_s: float | None) -> tuple[int, int]:
    """First frame and number of frames, rounded down as librosa does."""
    if not n:
        raise AudioError("holds no samples; expected at least one, record it again")
    first = int(offset_s * rate)
    count = n - first if duration_s is None else min(int(duration_s * rate), n - first)
    if count < 1:
        raise AudioError(
            f"holds {n / rate:.3f} s, of which offset_s={offset_s} and duration_s={duration_s} "
            "leave no sample; choose others"
        )
    return first, count


def _mono(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean over the channels; of two it is written out: the same bits, many times faster."""
    channels = frames.T
    with np.errstate(over="ignore", invalid="ignore"):
        if len(channels) == 1:
            mono = channels[0]
        elif len(channels) == 2:
            mono = (channels[0] + channels[1]) / 2
        else:
            mono = channels.mean(axis=0)
    return np.require(mono, np.float32, ["C", "W"])


def _decode_foreign(
    file: BinaryIO, begin: int, found: str, offset_s: float, duration_s: float | None
) -> tuple[NDArray[np.float32], int]:
    """Let soundfile, if it is there, decode what is not plain WAV."""
    try:
        import soundfile
    except ModuleNotFoundError as error:
        if error.name != "soundfile":
            raise
        raise AudioError(
            f"{found}; expected a PCM WAV recording, convert it or "
            "pip install 'ser-edge[audio]' for FLAC, OGG and MP3"
        ) from None
    file.seek(begin)
    try:
        with soundfile.SoundFile(io.BytesIO(file.read()) if begin else file) as sound:
            rate = int(sound.samplerate)
            check_rate(rate)
            first, count = _span(sound.frames, rate, offset_s, duration_s)
            sound.seek(first)
            pieces = []
            while count > 0:
                piece = sound.read(min(count, _PIECE), dtype="float32", always_2d=True)
                if not len(piece):
                    break
                pieces.append(_mono(piece))
                count -= len(piece)
    except (soundfile.SoundFileError, TypeError) as error:  # TypeError: its name ends in .raw
        reason = str(error).rsplit(": ", 1)[-1].strip().rstrip(".")
        raise AudioError(f"{found} ({reason}); expected WAV, FLAC, OGG or MP3") from None
    if not pieces:
        raise AudioError("holds no samples that could be decoded; convert it to WAV")
    return np.concatenate(pieces), rate
