"""Files that appear whole or not at all: written beside, then renamed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ser_edge.errors import SerEdgeError


def check_writable(path: Path, option: str, *, overwrite: bool = False) -> None:
    """See that a file can be written, before any work goes into it.

    Parameters
    ----------
    path : Path
        The file to be.
    option : str
        That names it on the command line, for messages.
    overwrite : bool
        Whether it may replace one that exists.

    Raises
    ------
    SerEdgeError
        If it cannot, or exists and is not to be replaced.
    """
    if path.is_dir():
        raise SerEdgeError(f"{path}: is a folder; name a file in it for {option}")
    if path.exists() and not overwrite:
        raise SerEdgeError(f"{path}: exists already; choose another {option}, or allow --overwrite")
    if not path.parent.is_dir():
        raise SerEdgeError(f"{path}: there is no such folder; make it, or choose another {option}")
    try:
        _beside(path).touch()
        _beside(path).unlink()
    except OSError as error:
        raise SerEdgeError(
            f"{path}: cannot be written there ({error.strerror}); choose another {option}"
        ) from None


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a name beside `path` for what becomes `path` when the block ends without an error.

    Parameters
    ----------
    path : Path
        The file to be; what stands there is replaced.

    Yields
    ------
    partial : Path
        Where to write, with the same suffix; removed if the block fails.

    Raises
    ------
    SerEdgeError
        If the file cannot be written.
    """
    partial = _beside(path)
    try:
        yield partial
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise SerEdgeError(f"{path}: cannot be written ({error.strerror or error})") from None
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _beside(path: Path) -> Path:
    return path.with_name(f".part.{path.name}")
