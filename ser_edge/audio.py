"""Recordings as mono float32 samples: WAV by the standard library, other formats by soundfile.

`read` gives the samples that ``librosa.load(path, sr=None, mono=True)`` (librosa 0.11) gives, bit
for bit; `load` resamples them too; `as_signal` is the gate for arrays that a caller already holds.
Of a WAV file only the part asked for is read, and never more than the file really holds, whatever
its header says. Silence is a legal recording here.
"""

import contextlib
import io
import math
import os
import struct
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ser_edge.errors import AudioError
from ser_edge.resample import check_rate, resample

Source = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO

_PCM, _FLOAT, _EXTENSIBLE = 0x0001, 0x0003, 0xFFFE
# The last 14 bytes of a WAVE_FORMAT_EXTENSIBLE sub-format that is an ordinary format tag.
_TAG_GUID = bytes.fromhex("000000001000800000aa00389b71")
_DTYPES = {
    (_PCM, 8): "u1",
    (_PCM, 16): "<i2",
    (_PCM, 24): "3u1",
    (_PCM, 32): "<i4",
    (_FLOAT, 32): "<f4",
    (_FLOAT, 64): "<f8",
}
# soundfile's headers may promise any length, so its samples are fetched in pieces.
_PIECE = 1 << 16
_MAX_CHUNKS = 1000


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
    return _finite(np.ascontiguousarray(_full_scale(array)))


def _full_scale(samples: NDArray[Any]) -> NDArray[np.float32]:
    """Float32 as libsndfile scales it: unsigned 8-bit around 128, integers by their full scale."""
    with np.errstate(over="ignore", invalid="ignore"):
        signal = samples.astype(np.float32, copy=False)
    if samples.dtype.kind == "u":
        signal = signal - np.float32(128)
    if samples.dtype.kind != "f":
        signal *= np.float32(2.0 ** (1 - 8 * samples.dtype.itemsize))
    return signal


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
    size = file.seek(0, os.SEEK_END) - begin
    file.seek(begin)
    head = file.read(12)
    if not head:
        raise AudioError("is empty (0 bytes); expected a WAV recording")
    if head[:4] != b"RIFF" or (head[8:] != b"WAVE" and len(head) == 12):
        return _decode_foreign(file, begin, f"begins with {head!r}", offset_s, duration_s)

    fmt = b""
    for _ in range(_MAX_CHUNKS):
        chunk = file.read(8)
        if len(chunk) < 8:
            break
        name, length = struct.unpack("<4sI", chunk)
        if name == b"data":
            dtype, channels, rate = _parse_format(fmt)
            if dtype is None:
                tag = f"is a WAV file with codec 0x{_tag(fmt):04x}"
                return _decode_foreign(file, begin, tag, offset_s, duration_s)
            left = size - (file.tell() - begin)
            # A writer that cannot go back leaves nearly 2 or 4 GiB there, or 0: all that follows.
            streamed = 0x7FFF0000 <= length <= 0x80000000 or length >= 0xFFFF0000 or length == 0
            if length > left and not streamed:
                raise AudioError(
                    f"is truncated: {left} bytes of audio where its header promises {length}; "
                    "copy or record it again"
                )
            frame = dtype.itemsize * channels
            n_frames = (min(length, left) or left) // frame
            first, count = _span(n_frames, rate, offset_s, duration_s)
            file.seek(first * frame, os.SEEK_CUR)
            data = file.read(count * frame)
            if len(data) < count * frame:
                raise AudioError("ends while it is being read; wait until it is written")
            return _mono(_samples(data, dtype).reshape(count, channels)), rate
        position = file.tell()
        if name == b"fmt ":
            fmt = file.read(min(length, 40))
        file.seek(position + length + length % 2)
    raise AudioError(f"has no audio in its {size} bytes, only a WAV header; record it again")


def _tag(fmt: bytes) -> int:
    """Format tag, looked up behind WAVE_FORMAT_EXTENSIBLE where it hides there."""
    extensible = fmt[:2] == struct.pack("<H", _EXTENSIBLE) and fmt[26:40] == _TAG_GUID
    at = 24 if extensible else 0
    return int.from_bytes(fmt[at : at + 2], "little")


def _parse_format(fmt: bytes) -> tuple[np.dtype[Any] | None, int, int]:
    """Sample type (None if soundfile has to decode it), number of channels, and rate."""
    if len(fmt) < 16:
        raise AudioError(
            f"has a WAV header of {len(fmt)} format bytes; expected 16 or more, record it again"
        )
    channels, rate, _, align, bits = struct.unpack("<HIIHH", fmt[2:16])
    tag = _tag(fmt)
    if not channels:
        raise AudioError("has 0 channels; expected 1 or more, record it again")
    check_rate(rate)
    if tag not in (_PCM, _FLOAT):
        return None, channels, rate
    if (tag, bits) not in _DTYPES:
        kind = "PCM" if tag == _PCM else "float"
        raise AudioError(
            f"has {bits}-bit {kind} samples; expected PCM of 8, 16, 24 or 32 bit or float of 32 or "
            "64 bit, convert it"
        )
    dtype = np.dtype(_DTYPES[tag, bits])
    if align != dtype.itemsize * channels:
        raise AudioError(
            f"has a block align of {align}; expected {dtype.itemsize * channels} for {channels} "
            f"channels of {bits} bit, record it again"
        )
    return dtype, channels, rate


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


def _samples(data: bytes, dtype: np.dtype[Any]) -> NDArray[np.float32]:
    if dtype.shape == (3,):
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        return _full_scale(wide.view("<i4").reshape(-1))
    return _full_scale(np.frombuffer(data, dtype))


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
