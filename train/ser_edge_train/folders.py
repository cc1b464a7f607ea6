"""Folders that appear whole or not at all: written beside, then renamed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ser_edge.errors import SerEdgeError


def check_free(target: Path, *, overwrite: bool = False, option: str = "--out") -> None:
    """Refuse a target that exists or that cannot be made, before any work goes into it.

    Parameters
    ----------
    target : Path
        The folder to be.
    overwrite : bool
        Whether it may replace one that exists.
    option : str
        That names it on the command line, for messages.

    Raises
    ------
    SerEdgeError
        If `target` exists and is not to be overwritten, or lies below something that is not a
        folder, or not one that can be written to.
    """
    nearest = next(parent for parent in target.absolute().parents if parent.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise SerEdgeError(
            f"{target}: cannot be made, since {nearest} is not a folder that can be written to; "
            f"choose another {option}"
        )
    if target.exists() and not overwrite:
        raise SerEdgeError(
            f"{target}: exists already; choose another {option}, or allow --overwrite"
        )


def partial_folder(target: Path) -> Path:
    """Return the folder beside `target` in which it is prepared."""
    return target.with_name(f".{target.name}.partial")


def move_into_place(partial: Path, target: Path) -> None:
    """Rename a finished folder to its target; what stood there is removed last."""
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
    """Yield an empty folder that becomes `target` when the block ends without an error.

    Parameters
    ----------
    target, overwrite, option
        As for `check_free`.

    Yields
    ------
    partial : Path
        Where to write; removed if the block fails.

    Raises
    ------
    SerEdgeError
        As `check_free`.
    """
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
