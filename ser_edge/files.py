"""Read files of bounded size, and write files atomically.

A file is written under a temporary name in the same folder, then renamed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ser_edge.errors import SerEdgeError


def read_file(
    path: str | os.PathLike[str],
    max_bytes: int,
    *,
    remedy: str = "",
    error: type[SerEdgeError] = SerEdgeError,
) -> bytes:
    """Read a whole file, which must be a regular one: a FIFO or a device could block for ever.

    Parameters
    ----------
    path : path
        The file.
    max_bytes : int > 0
        Largest allowed size.
    remedy, error : str, type of SerEdgeError
        Remedy and class of the error.

    Returns
    -------
    content : bytes

    Raises
    ------
    SerEdgeError
        Of class `error`, if the file is missing, of another kind or larger than `max_bytes`.
    """
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise error("is a pipe, socket or device, expected a file", remedy, path)
            size = status.st_size
            if size <= max_bytes:
                return file.read(size)  # of a file that grows, what it had
    except (OSError, ValueError) as reason:  # a ValueError for a null character in the path
        problem = f"cannot be read ({getattr(reason, 'strerror', None) or reason})"
        raise error(problem, remedy, path) from None
    raise error(f"has {size} bytes, expected at most {max_bytes}", remedy, path)


def _open_at_once(path: str, flags: int) -> int:
    # A FIFO without a writer would block the call; Windows has neither.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def check_writable(path: Path, option: str, *, overwrite: bool = False) -> None:
    """Check before any work that an output file can be written, else raise `SerEdgeError`.

    ``option`` is its command-line option, for messages. An existing file is refused unless
    ``overwrite`` is set.
    """
    if path.is_dir():
        raise SerEdgeError("is a folder", f"name a file in it for {option}", path)
    check_absent(path, option, overwrite=overwrite)
    if not path.parent.is_dir():
        raise SerEdgeError(
            "there is no such folder", f"create it, or choose another {option}", path
        )
    try:
        _temporary(path).touch()
        _temporary(path).unlink()
    except OSError as error:
        raise SerEdgeError(
            f"cannot be written ({error.strerror})", f"choose another {option}", path
        ) from None


def check_absent(path: Path, option: str, *, overwrite: bool) -> None:
    """Raise `SerEdgeError` for a file or folder that exists, unless it may be overwritten."""
    if path.exists() and not overwrite:
        raise SerEdgeError("exists already", f"choose another {option}, or use --overwrite", path)


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path with the same suffix; rename it to `path` if the block succeeds.

    An existing file is replaced. If the block fails, the temporary file is removed. Raises
    `SerEdgeError` if the file cannot be written.
    """
    temporary = _temporary(path)
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise SerEdgeError(f"cannot be written ({error.strerror or error})", source=path) from None
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _temporary(path: Path) -> Path:
    return path.with_name(f".part.{path.name}")
