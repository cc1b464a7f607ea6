"""Where a recording comes from: a path, bytes in memory, or a file that is open already."""

import contextlib
import io
import os
from typing import BinaryIO

import numpy as np

from ser_edge.errors import AudioError

Source = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO

_PIECE = 1 << 20


def source_name(source: Source) -> str:
    """Return what messages call a source: its file name, or "the recording".

    Examples
    --------
    >>> from ser_edge.audio.source import source_name
    >>> source_name("recordings/clip.wav"), source_name(b"RIFF")
    ('clip.wav', 'the recording')
    """
    path = source if isinstance(source, str | os.PathLike) else getattr(source, "name", "") or None
    if not isinstance(path, str | os.PathLike):
        return "the recording"
    return os.path.basename(os.fsdecode(path)) or os.fsdecode(path) or "the empty path"


def open_source(
    source: Source, max_bytes: int | None = None
) -> contextlib.AbstractContextManager[BinaryIO]:
    """Give a binary file that can seek, at the beginning of the recording.

    Parameters
    ----------
    source : path, bytes-like or binary file object
        Where the recording is; what cannot seek, as a pipe, is read to its end.
    max_bytes : int > 0, optional
        How long it may be; a pipe is read no further than one byte beyond.

    Returns
    -------
    context manager of a binary file object
        Only what is opened here is closed on leaving.

    Raises
    ------
    AudioError
        If there is no recording, or if it is longer than ``max_bytes``.

    Examples
    --------
    >>> from ser_edge.audio.source import open_source
    >>> with open_source(b"RIFF and so on") as file:
    ...     file.read(4)
    b'RIFF'
    """
    if max_bytes is not None and not (isinstance(max_bytes, int | np.integer) and max_bytes > 0):
        raise AudioError(f"max_bytes={max_bytes!r}; expected a whole number of bytes, 1 or more")
    if isinstance(source, str | os.PathLike):
        file = _open_path(source)
        if not _can_seek(file):
            with file:
                return io.BytesIO(_read_all(file, max_bytes))
        try:
            _check_size(_bytes_left(file), max_bytes)
        except AudioError:
            file.close()
            raise
        return file
    if isinstance(source, bytes | bytearray | memoryview):
        _check_size(memoryview(source).nbytes, max_bytes)
        return io.BytesIO(bytes(source))
    binary = hasattr(source, "seekable") or hasattr(source, "tell")
    if not (binary and hasattr(source, "read")) or isinstance(source, io.TextIOBase):
        raise AudioError(
            f"cannot be read from {type(source).__name__}; expected a path, bytes or a binary file "
            "(as_signal takes arrays)"
        )
    if getattr(source, "closed", False):
        raise AudioError("is a file that has been closed; give one that is open")
    if _can_seek(source):
        _check_size(_bytes_left(source), max_bytes)
        return contextlib.nullcontext(source)
    return io.BytesIO(_read_all(source, max_bytes))


def _open_path(path: str | os.PathLike[str]) -> BinaryIO:
    if os.path.isdir(path):
        raise AudioError("is a directory; give one recording")
    try:
        return open(path, "rb")
    except FileNotFoundError:
        raise AudioError("does not exist; give the path of a recording") from None
    except ValueError:
        raise AudioError("is no legal path; give the path of a recording") from None


def _can_seek(file: BinaryIO) -> bool:
    # SpooledTemporaryFile, in which web frameworks keep uploads, has no `seekable` in Python 3.10.
    return file.seekable() if hasattr(file, "seekable") else hasattr(file, "tell")


def _bytes_left(file: BinaryIO) -> int:
    begin = file.tell()
    file.seek(0, os.SEEK_END)
    end = file.tell()
    file.seek(begin)
    return end - begin


def _check_size(size: int, max_bytes: int | None, at_least: str = "") -> None:
    if max_bytes is not None and size > max_bytes:
        raise AudioError(
            f"has {at_least}{size} bytes; expected at most max_bytes={max_bytes}, "
            "give a shorter recording"
        )


def _read_all(file: BinaryIO, max_bytes: int | None) -> bytes:
    data = bytearray()
    while max_bytes is None or len(data) <= max_bytes:
        piece = file.read(_PIECE if max_bytes is None else min(_PIECE, max_bytes + 1 - len(data)))
        if not piece:
            return bytes(data)
        if not isinstance(piece, bytes | bytearray | memoryview):
            raise AudioError(f"gives {type(piece).__name__} when read; open it as a binary file")
        data += piece
    _check_size(len(data), max_bytes, at_least="at least ")
    return bytes(data)
