"""Open a recording: a path, bytes in memory, or an open binary file."""

import contextlib
import io
import os
from collections.abc import Iterator
from typing import BinaryIO

from ser_edge.checks import check_number
from ser_edge.errors import AudioError, error_source

AudioSource = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO
"""A path, a file's content, or a binary file object."""

_READ_BYTES = 1 << 20  # per read of a pipe


def source_name(source: AudioSource) -> str:
    """Return the name for error messages: a file name, or "the recording".

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


@contextlib.contextmanager
def open_source(source: AudioSource, max_bytes: int | None = None) -> Iterator[BinaryIO]:
    """Open a recording as a seekable binary file, at the beginning of the recording.

    A file object is used from its present position and left open. One that cannot seek, such as a
    pipe, is read to its end, or to one byte beyond ``max_bytes``.

    Raises `AudioError` if there is no recording or it is longer than ``max_bytes``. An ``OSError``
    in the block becomes an `AudioError`, and errors without a source get the recording's name.
    """
    if max_bytes is not None:
        check_number("max_bytes", max_bytes, 1, integer=True, unit="bytes")
    with error_source(source_name(source)):
        try:
            with _opened(source, max_bytes) as file:
                yield file
        except OSError as error:
            raise AudioError(
                f"cannot be read ({error.strerror or type(error).__name__})",
                "check the file and its permissions",
            ) from error


def _opened(
    source: AudioSource, max_bytes: int | None
) -> contextlib.AbstractContextManager[BinaryIO]:
    if isinstance(source, str | os.PathLike):
        file = _open_path(source)
        if not _can_seek(file):
            with file:
                return io.BytesIO(_read_all(file, max_bytes))
        try:
            check_size(_bytes_left(file), max_bytes)
        except AudioError:
            file.close()
            raise
        return file
    if isinstance(source, bytes | bytearray | memoryview):
        check_size(memoryview(source).nbytes, max_bytes)
        return io.BytesIO(bytes(source))
    binary = hasattr(source, "seekable") or hasattr(source, "tell")
    if not (binary and hasattr(source, "read")) or isinstance(source, io.TextIOBase):
        raise AudioError(
            f"is a {type(source).__name__}, expected a path, bytes or a binary file",
            "pass samples as a NumPy array, with their sample rate",
        )
    if getattr(source, "closed", False):
        raise AudioError("is a closed file", "pass an open one")
    if _can_seek(source):
        check_size(_bytes_left(source), max_bytes)
        return contextlib.nullcontext(source)
    return io.BytesIO(_read_all(source, max_bytes))


def _open_path(path: str | os.PathLike[str]) -> BinaryIO:
    if os.path.isdir(path):
        raise AudioError("is a folder", "give the path of one recording")
    try:
        return open(path, "rb")
    except FileNotFoundError:
        raise AudioError("does not exist", "give the path of a recording") from None
    except ValueError:
        raise AudioError("is not a legal path", "give the path of a recording") from None


def _can_seek(file: BinaryIO) -> bool:
    # SpooledTemporaryFile, which web frameworks use for uploads, lacks `seekable` in Python 3.10.
    return file.seekable() if hasattr(file, "seekable") else hasattr(file, "tell")


def _bytes_left(file: BinaryIO) -> int:
    begin = file.tell()
    file.seek(0, os.SEEK_END)
    end = file.tell()
    file.seek(begin)
    return end - begin


def check_size(size: int, max_bytes: int | None, at_least: str = "") -> None:
    """Raise `AudioError` for a recording of more than ``max_bytes``."""
    if max_bytes is not None and size > max_bytes:
        raise AudioError(
            f"has {at_least}{size} bytes, expected at most max_bytes={max_bytes}",
            "give a shorter recording",
        )


def _read_all(file: BinaryIO, max_bytes: int | None) -> bytes:
    data = bytearray()
    while max_bytes is None or len(data) <= max_bytes:
        left = _READ_BYTES if max_bytes is None else max_bytes + 1 - len(data)
        piece = file.read(min(_READ_BYTES, left))
        if not piece:
            return bytes(data)
        if not isinstance(piece, bytes | bytearray | memoryview):
            raise AudioError(f"returns {type(piece).__name__} when read", "open it in binary mode")
        data += piece
    check_size(len(data), max_bytes, at_least="at least ")
    return bytes(data)
