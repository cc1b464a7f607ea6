"""Write folders atomically: prepare them beside the target, then rename."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ser_edge.errors import SerEdgeError
from ser_edge.files import check_absent


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
    """Yield an empty folder that becomes `target` if the block succeeds; see `check_free`."""
    check_free(target, overwrite=overwrite, option=option)
    partial = partial_folder(target)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    move_into_place(partial, target)
