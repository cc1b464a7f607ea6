"""Read RIFF/WAVE files with NumPy.

PCM of 8, 16, 24 and 32 bit and float of 32 and 64 bit, plain or WAVE_FORMAT_EXTENSIBLE, scaled as
libsndfile does. A length in a header is never trusted beyond the end of the file.
"""

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ser_edge.errors import AudioError, ConfigError
from ser_edge.resampling import check_sample_rate

_PCM, _FLOAT, _EXTENSIBLE = 0x0001, 0x0003, 0xFFFE
# KSDATAFORMAT_SUBTYPE: a WAVE_FORMAT_EXTENSIBLE sub-format is a format tag and these 14 bytes.
_TAG_GUID = bytes.fromhex("000000001000800000aa00389b71")
_DTYPES = {
    (_PCM, 8): "u1",
    (_PCM, 16): "<i2",
    (_PCM, 24): "3u1",
    (_PCM, 32): "<i4",
    (_FLOAT, 32): "<f4",
    (_FLOAT, 64): "<f8",
}
_MAX_CHUNKS = 1000  # before the samples; usual files have fewer than 10
_MAX_PIPE_CHUNK = 1 << 24  # bytes, before the samples in a pipe


@dataclass(frozen=True)
class WavHeader:
    """Layout of the samples; a frame has one sample of each channel."""

    dtype: np.dtype[Any]
    channels: int
    sample_rate: int
    n_frames: int


def read_header(file: BinaryIO) -> WavHeader | str:
    """Read the header of a WAV file and leave the file at its first sample.

    Returns a string, the reason for an error message, if another decoder has to be tried. Raises
    `AudioError` if the file is empty or truncated, or its header is not legal.

    Examples
    --------
    >>> import io
    >>> from ser_edge.audio.wav import read_header
    >>> read_header(io.BytesIO(b"fLaC and so on"))
    "begins with b'fLaC and so '"
    """
    begin = file.tell()
    size = file.seek(0, os.SEEK_END) - begin
    file.seek(begin)
    head = file.read(12)
    if not head:
        raise AudioError("is empty (0 bytes), expected a WAV recording")
    if head[:4] != b"RIFF" or (head[8:] != b"WAVE" and len(head) == 12):
        return f"begins with {head!r}"

    fmt = b""
    for _ in range(_MAX_CHUNKS):
        chunk = file.read(8)
        if len(chunk) < 8:
            break
        name, length = struct.unpack("<4sI", chunk)
        position = file.tell()
        left = size - (position - begin)
        if name == b"data" and (length or not _only_chunks(file, left)):
            layout = _parse_format(fmt)
            if isinstance(layout, str):
                return layout
            dtype, channels, sample_rate = layout
            n_bytes = _data_bytes(length, left=left, header=size - left)
            return WavHeader(dtype, channels, sample_rate, n_bytes // (dtype.itemsize * channels))
        if name == b"fmt ":
            fmt = file.read(min(length, 40))
        # Not beyond the end of the file: 32-bit systems cannot seek to 2 GiB.
        file.seek(min(position + length + length % 2, begin + size))
    raise AudioError(f"has no audio in its {size} bytes, only a WAV header", "record it again")


def read_pipe_header(read: Callable[[int], bytes]) -> tuple[WavHeader, int | None] | str:
    """Read the header of a WAV file that arrives through a pipe, after its first 12 bytes.

    Parameters
    ----------
    read : callable
        Returns as many bytes as it is asked for; fewer only at the end.

    Returns
    -------
    header : WavHeader
        Its ``n_frames`` is 0: a pipe has no known length.
    n_bytes : int or None
        Bytes of audio that follow, if the header states them.

    A string is returned as by `read_header`. Raises `AudioError` if the header is not legal.
    """
    fmt = b""
    for _ in range(_MAX_CHUNKS):
        chunk = read(8)
        if len(chunk) < 8:
            break
        name, length = struct.unpack("<4sI", chunk)
        if name == b"data":
            layout = _parse_format(fmt)
            if isinstance(layout, str):
                return layout
            return WavHeader(*layout, n_frames=0), None if _is_streamed(length) else length
        if length > _MAX_PIPE_CHUNK:
            break
        body = read(length + length % 2)
        if name == b"fmt ":
            fmt = body
    raise AudioError("has no audio, only the beginning of a WAV header", "pipe in a whole file")


def read_frames(file: BinaryIO, header: WavHeader, first: int, count: int) -> NDArray[np.float32]:
    """Read ``count`` frames after ``first`` others, [shape=(count, channels), dtype=float32].

    The file has to be at its first sample; ``first + count <= header.n_frames``. Raises
    `AudioError` if the file has become shorter.
    """
    frame = header.dtype.itemsize * header.channels
    file.seek(first * frame, os.SEEK_CUR)
    data = file.read(count * frame)
    if len(data) < count * frame:
        raise AudioError("became shorter while it was read", "wait until it is complete")
    return pcm_samples(data, header.dtype).reshape(count, header.channels)


def full_scale(samples: NDArray[Any]) -> NDArray[np.float32]:
    """Convert samples to float32, full scale at ±1, as libsndfile does.

    The zero of unsigned samples is 128. Values beyond float32 become infinity. float32 samples are
    returned as they are.

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


def check_header_rate(sample_rate: int) -> int:
    """Return a file's sample rate, or raise `AudioError` if it is out of range."""
    try:
        return check_sample_rate(sample_rate)
    except ConfigError as error:
        raise AudioError(error.problem, "convert it") from None


def _tag(fmt: bytes) -> int:
    """Return the format tag; that of the sub-format for WAVE_FORMAT_EXTENSIBLE."""
    extensible = fmt[:2] == struct.pack("<H", _EXTENSIBLE) and fmt[26:40] == _TAG_GUID
    at = 24 if extensible else 0
    return int.from_bytes(fmt[at : at + 2], "little")


def _parse_format(fmt: bytes) -> tuple[np.dtype[Any], int, int] | str:
    """Return the sample type, channels and sample rate of a format chunk.

    Returns a string, the reason for an error message, if soundfile has to decode the samples.
    Raises `AudioError` if the chunk is not legal.
    """
    if len(fmt) < 16:
        raise AudioError(
            f"has a WAV header of {len(fmt)} format bytes, expected 16 or more", "record it again"
        )
    channels, sample_rate, _, align, bits = struct.unpack("<HIIHH", fmt[2:16])
    tag = _tag(fmt)
    if not channels:
        raise AudioError("has 0 channels, expected 1 or more", "record it again")
    check_header_rate(sample_rate)
    if tag not in (_PCM, _FLOAT):
        return f"is a WAV file with codec 0x{tag:04x}"
    if (tag, bits) not in _DTYPES:
        return f"is a WAV file of {bits}-bit {'PCM' if tag == _PCM else 'float'} samples"
    if bits == 24 and align == 4 * channels:  # libsndfile finds out if they are 3 or 4 bytes apart
        return f"is a WAV file of 24-bit PCM samples with a block align of {align}"
    # Otherwise samples are packed whatever the block align, as in libsndfile.
    return np.dtype(_DTYPES[tag, bits]), channels, sample_rate


def _is_streamed(length: int) -> bool:
    """Return whether a data chunk's length is one that a writer to a pipe leaves.

    It cannot fill in the length: it leaves 0, or nearly 2 or 4 GiB.
    """
    return 0x7FFF0000 <= length <= 0x80000000 or length >= 0xFFFF0000 or length == 0


def _only_chunks(file: BinaryIO, left: int) -> bool:
    """Return whether the rest of the file is chunks, such as LIST; the file is left where it is."""
    begin, has_chunks = file.tell(), False
    while left >= 8:
        name, length = struct.unpack("<4sI", file.read(8))
        if length > left - 8 or not all(32 <= byte < 127 for byte in name):
            has_chunks = False
            break
        has_chunks = True
        left -= min(8 + length + length % 2, left)
        file.seek(length + length % 2, os.SEEK_CUR)
    file.seek(begin)
    return has_chunks


def _data_bytes(length: int, *, left: int, header: int) -> int:
    """Return the bytes of audio; the header states ``length``, the file has ``left``."""
    # Some writers count the bytes of the header too.
    if length > left + header and not _is_streamed(length):
        raise AudioError(
            f"is truncated: it has {left} bytes of audio, and its header states {length}",
            "copy or record it again",
        )
    return min(length, left) or left


def pcm_samples(data: bytes, dtype: np.dtype[Any]) -> NDArray[np.float32]:
    """Return samples, full scale at ±1, from the bytes of a WAV file."""
    if dtype.shape == (3,):
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        return full_scale(wide.view("<i4").reshape(-1))
    return full_scale(np.frombuffer(data, dtype))
