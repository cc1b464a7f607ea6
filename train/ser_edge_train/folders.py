"""Write folders atomically: lock them, prepare them beside the target, then rename."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ser_edge.errors import SerEdgeError
from ser_edge.files import check_absent

if sys.platform != "win32":
    import fcntl


def check_free(target: Path, *, overwrite: bool = False, option: str = "--out") -> None:
    """Check that a folder can be written, before any work.

    `option` is the command line option that names the folder, for messages.

    Raises
    ------
    SerEdgeError
        If `target` exists and `overwrite` is false, or its parent is not a writable folder.
    """
    nearest = next(parent for parent in target.absolute().parents if parent.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise SerEdgeError(
            f"cannot be made: {nearest} is not a writable folder",
            f"choose another {option}",
            target,
        )
    check_absent(target, option, overwrite=overwrite)


@contextmanager
def reserved(target: Path, *, overwrite: bool = False, option: str = "--out") -> Iterator[None]:
    """Check a folder as `check_free` does, and keep other processes from writing it in the block.

    The lock is a file beside `target`. The system releases it when the process ends, however it
    ends. Windows, and file systems without ``flock``, have no lock.

    Raises
    ------
    SerEdgeError
        Also if another process is writing the folder.
    """
    check_free(target, overwrite=overwrite, option=option)
    if sys.platform == "win32":
        yield
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    path = target.with_name(f".{target.name}.lock")
    file = _locked(path)
    if file is None:
        raise SerEdgeError(
            f"is being written by another process{_owner(path)}",
            f"wait until it has ended, or choose another {option}",
            target,
        )
    with file:
        try:
            # The other process may have finished since the first check.
            check_free(target, overwrite=overwrite, option=option)
            yield
        finally:
            path.unlink(missing_ok=True)


def _locked(path: Path) -> IO[str] | None:
    """Open and lock a file and write the process's number; None if another one holds it."""
    while True:
        file = path.open("a", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A process that has just ended may have removed the file that was opened here.
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                file.truncate(0)
                file.write(str(os.getpid()))
                file.flush()
                return file
        except BlockingIOError:
            file.close()
            return None
        except FileNotFoundError:
            pass
        except OSError:  # a file system without locks
            return file
        file.close()


def _owner(path: Path) -> str:
    try:
        return f" ({path.read_text(encoding='utf-8')})"
    except OSError:  # it has just ended
        return ""


def partial_folder(target: Path) -> Path:
    """Return the folder beside `target` in which it is prepared."""
    return target.with_name(f".{target.name}.partial")


def move_into_place(partial: Path, target: Path) -> None:
    """Rename a finished folder to its target; an existing target is removed last."""
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    partial.rename(target)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def written_beside(
    target: Path, *, overwrite: bool = False, option: str = "--out"
) -> Iterator[Path]:
    """Yield an empty folder that becomes `target` if the block succeeds; see `reserved`."""
    with reserved(target, overwrite=overwrite, option=option):
        partial = partial_folder(target)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            yield partial
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        move_into_place(partial, target)
