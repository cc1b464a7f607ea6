"""RIFF/WAVE: where a file holds its samples, and what its bytes mean.

PCM of 8, 16, 24 and 32 bit and float of 32 and 64 bit, plain or WAVE_FORMAT_EXTENSIBLE, scaled as
libsndfile scales them. No length in a header is believed beyond the bytes that are there.
"""

import os
import struct
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ser_edge.errors import AudioError
from ser_edge.resampling import check_sample_rate

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
_MAX_CHUNKS = 1000


@dataclass(frozen=True)
class WavHeader:
    """How the samples of a WAV file lie in it; a frame holds one of each channel."""

    dtype: np.dtype[Any]
    channels: int
    sample_rate: int
    n_frames: int


def read_header(file: BinaryIO) -> WavHeader | str:
    """Read up to the first sample of a WAV file.

    Parameters
    ----------
    file : binary file object
        One that can seek, at the beginning of the recording; left at its first sample.

    Returns
    -------
    WavHeader or str
        The latter where another decoder may know better: what the file is, as messages say it.

    Raises
    ------
    AudioError
        If the file is empty or truncated, or its header is not one of a recording.

    Examples
    --------
    >>> import io, wave
    >>> from ser_edge.audio.wav import read_header
    >>> file = io.BytesIO()
    >>> with wave.open(file, "wb") as wav:
    ...     wav.setparams((2, 2, 16000, 0, "NONE", ""))
    ...     wav.writeframes(bytes(400))
    >>> read_header(io.BytesIO(file.getvalue()))
    WavHeader(dtype=dtype('int16'), channels=2, sample_rate=16000, n_frames=100)
    >>> read_header(io.BytesIO(b"fLaC and so on"))
    "begins with b'fLaC and so '"
    """
    begin = file.tell()
    size = file.seek(0, os.SEEK_END) - begin
    file.seek(begin)
    head = file.read(12)
    if not head:
        raise AudioError("is empty (0 bytes); expected a WAV recording")
    if head[:4] != b"RIFF" or (head[8:] != b"WAVE" and len(head) == 12):
        return f"begins with {head!r}"

    fmt = b""
    for _ in range(_MAX_CHUNKS):
        chunk = file.read(8)
        if len(chunk) < 8:
            break
        name, length = struct.unpack("<4sI", chunk)
        if name == b"data":
            dtype, channels, sample_rate = _parse_format(fmt)
            if dtype is None:
                return f"is a WAV file with codec 0x{_tag(fmt):04x}"
            n_bytes = _data_bytes(length, left=size - (file.tell() - begin))
            return WavHeader(dtype, channels, sample_rate, n_bytes // (dtype.itemsize * channels))
        position = file.tell()
        if name == b"fmt ":
            fmt = file.read(min(length, 40))
        # Not beyond the end: where a word has 32 bits, 2 GiB is no place to go to.
        file.seek(min(position + length + length % 2, begin + size))
    raise AudioError(f"has no audio in its {size} bytes, only a WAV header; record it again")


def read_frames(file: BinaryIO, header: WavHeader, first: int, count: int) -> NDArray[np.float32]:
    """Read some frames of a WAV file, and no more of it than these.

    Parameters
    ----------
    file : binary file object
        As `read_header` leaves it.
    header : WavHeader
        What `read_header` returned.
    first : int >= 0
        Frames to skip.
    count : int > 0
        Frames to read; ``first + count <= header.n_frames``.

    Returns
    -------
    np.ndarray [shape=(count, channels), dtype=float32]
        The samples, full scale at ±1.

    Raises
    ------
    AudioError
        If the file has become shorter since its header was read.

    Examples
    --------
    >>> import io, wave
    >>> from ser_edge.audio.wav import read_frames, read_header
    >>> file = io.BytesIO()
    >>> with wave.open(file, "wb") as wav:
    ...     wav.setparams((2, 1, 16000, 0, "NONE", ""))
    ...     wav.writeframes(bytes([128, 128, 192, 0]))
    >>> start = file.seek(0)
    >>> read_frames(file, read_header(file), first=1, count=1)
    array([[ 0.5, -1. ]], dtype=float32)
    """
    frame = header.dtype.itemsize * header.channels
    file.seek(first * frame, os.SEEK_CUR)
    data = file.read(count * frame)
    if len(data) < count * frame:
        raise AudioError("ends while it is being read; wait until it is written")
    return _samples(data, header.dtype).reshape(count, header.channels)


def full_scale(samples: NDArray[Any]) -> NDArray[np.float32]:
    """Bring samples to float32 as libsndfile does.

    Parameters
    ----------
    samples : np.ndarray [dtype=float, int16, int32 or uint8]
        Unsigned samples are around 128.

    Returns
    -------
    np.ndarray [dtype=float32]
        Integers divided by their full scale; ``samples`` itself where it is float32 already.
        What float32 cannot hold becomes infinity.

    Examples
    --------
    >>> import numpy as np
    >>> from ser_edge.audio.wav import full_scale
    >>> full_scale(np.array([0, 128, 192], np.uint8))
    array([-1. ,  0. ,  0.5], dtype=float32)
    """
    with np.errstate(over="ignore", invalid="ignore"):
        signal = samples.astype(np.float32, copy=False)
    if samples.dtype.kind == "u":
        signal = signal - np.float32(128)
    if samples.dtype.kind != "f":
        signal *= np.float32(2.0 ** (1 - 8 * samples.dtype.itemsize))
    return signal


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
    channels, sample_rate, _, align, bits = struct.unpack("<HIIHH", fmt[2:16])
    tag = _tag(fmt)
    if not channels:
        raise AudioError("has 0 channels; expected 1 or more, record it again")
    check_sample_rate(sample_rate)
    if tag not in (_PCM, _FLOAT):
        return None, channels, sample_rate
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
    return dtype, channels, sample_rate


def _data_bytes(length: int, *, left: int) -> int:
    """Bytes of audio, of which the header promises ``length`` and ``left`` are there."""
    # A writer that cannot go back leaves nearly 2 or 4 GiB there, or 0: all that follows.
    streamed = 0x7FFF0000 <= length <= 0x80000000 or length >= 0xFFFF0000 or length == 0
    if length > left and not streamed:
        raise AudioError(
            f"is truncated: {left} bytes of audio where its header promises {length}; "
            "copy or record it again"
        )
    return min(length, left) or left


def _samples(data: bytes, dtype: np.dtype[Any]) -> NDArray[np.float32]:
    if dtype.shape == (3,):
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        return full_scale(wide.view("<i4").reshape(-1))
    return full_scale(np.frombuffer(data, dtype))
