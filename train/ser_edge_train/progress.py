"""Progress bars on stderr, if it is a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress, track

T = TypeVar("T")


def tracked(items: Iterable[T], description: str, total: int) -> Iterator[T]:
    """Yield the items and show a progress bar."""
    console = Console(stderr=True)
    disable = not console.is_terminal
    yield from track(items, description, total=total, console=console, disable=disable)


def progress_bar() -> Progress:
    """Return a bar to advance by hand, as a context manager."""
    console = Console(stderr=True)
    return Progress(
        *Progress.get_default_columns(), console=console, disable=not console.is_terminal
    )
