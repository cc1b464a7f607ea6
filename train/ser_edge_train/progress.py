"""Progress on stderr: a bar on a terminal, log lines elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress, track

from ser_edge_train.interrupts import check_interrupt

T = TypeVar("T")

logger = logging.getLogger(__name__)


def tracked(items: Iterable[T], description: str, total: int) -> Iterator[T]:
    """Yield the items and show the progress."""
    console = Console(stderr=True)
    if console.is_terminal:
        items = track(items, description, total=total, console=console)
    for done, item in enumerate(items, start=1):
        check_interrupt()
        yield item
        if not console.is_terminal:
            log_progress(f"{description}: {done} of {total}", done, total)


def log_progress(text: str, done: int, total: int) -> None:
    """Log a line at the first step, at each tenth of all, and at the last."""
    if done == 1 or 10 * done // total > 10 * (done - 1) // total:
        logger.info(text)


def progress_bar() -> Progress:
    """Return a bar to advance by hand, as a context manager; disabled without a terminal."""
    console = Console(stderr=True)
    return Progress(
        *Progress.get_default_columns(), console=console, disable=not console.is_terminal
    )
