"""Open a recording: a path, bytes in memory, or an open binary file."""

import contextlib
import io
import os
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

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
            raise _unreadable(error) from error


def _opened(
    source: AudioSource, max_bytes: int | None
) -> contextlib.AbstractContextManager[BinaryIO]:
    if isinstance(source, str | os.PathLike):
        file = _open_path(source)
        if not file.seekable():
            with file:
                return io.BytesIO(_read_all(file, max_bytes))
        try:
            check_size(_bytes_left(file), max_bytes)
        except AudioError:
            file.close()
            raise
        return file
    if isinstance(source, bytes | bytearray | memoryview):
        try:
            size = memoryview(source).nbytes
        except ValueError:
            raise AudioError("is released memory", "pass it before its release") from None
        check_size(size, max_bytes)
        return io.BytesIO(bytes(source))
    binary = hasattr(source, "seekable") or hasattr(source, "tell")
    if not (binary and hasattr(source, "read")) or isinstance(source, io.TextIOBase):
        raise AudioError(
            f"is a {type(source).__name__}, expected a path, bytes or a binary file",
            "pass samples as a NumPy array, with their sample rate",
        )
    if getattr(source, "closed", False):
        raise AudioError("is a closed file", "pass an open one")
    file = cast(BinaryIO, _FileObject(source))
    if file.seekable():
        check_size(_bytes_left(file), max_bytes)
        return contextlib.nullcontext(file)
    return io.BytesIO(_read_all(file, max_bytes))


class _FileObject:
    """The caller's file object: what it raises is an `AudioError`, and its reads are whole."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.name = getattr(file, "name", None)

    def seekable(self) -> bool:
        # SpooledTemporaryFile, which web frameworks use for uploads, lacks it in Python 3.10.
        if not hasattr(self._file, "seekable"):
            return hasattr(self._file, "tell")
        return bool(self._call("seekable"))

    def read(self, size: int = -1) -> bytes:
        data = bytearray()
        while size < 0 or len(data) < size:
            piece = self._call("read", size - len(data) if size >= 0 else -1)
            if not isinstance(piece, bytes | bytearray | memoryview | None):
                raise AudioError(
                    f"returns {type(piece).__name__} when read", "open it in binary mode"
                )
            if not piece:
                break
            data += piece
        return bytes(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._call("seek", offset, whence)
        return self.tell()

    def tell(self) -> int:
        position = self._call("tell")
        if not isinstance(position, int):
            raise AudioError(
                f"returns {type(position).__name__} for its position", "open it in binary mode"
            )
        return position

    def _call(self, method: str, *arguments: int) -> Any:
        try:
            return getattr(self._file, method)(*arguments)
        except OSError:
            raise
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise AudioError(
                f"cannot be read, its {method}() raises {reason}", "pass another file"
            ) from error


def _open_path(path: str | os.PathLike[str]) -> BinaryIO:
    # A path that leads nowhere is shown whole.
    with error_source(os.fsdecode(path) or "the empty path"):
        if os.path.isdir(path):
            raise AudioError("is a folder", "give the path of one recording")
        try:
            return open(path, "rb")
        except FileNotFoundError:
            raise _nowhere(os.fsdecode(path)) from None
        except OSError as error:
            raise _unreadable(error) from error
        except ValueError:
            raise AudioError("is not a legal path", "give the path of a recording") from None


def _unreadable(error: OSError) -> AudioError:
    return AudioError(
        f"cannot be read ({error.strerror or type(error).__name__})",
        "check the file and its permissions",
    )


def _nowhere(path: str) -> AudioError:
    """Return the error for a path that does not exist."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", path):
        return AudioError("is an address, expected a file", "download it first")
    if os.path.islink(path):
        return AudioError(
            f"is a link to {os.readlink(path)}, which does not exist", "give another path"
        )
    if "*" in path or "?" in path:
        return AudioError(
            "does not exist: it is a pattern that no file matches, or that was quoted",
            "give the paths of recordings",
        )
    if path.startswith("~"):
        return AudioError("does not exist: the shell did not replace the ~", "leave out the quotes")
    return AudioError("does not exist", "give the path of a recording")


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
        data += piece
    check_size(len(data), max_bytes, at_least="at least ")
    return bytes(data)
