"""How far it has come, on one line of the terminal."""

from __future__ import annotations

import sys
from types import TracebackType


class Progress:
    """A line that is written anew each time; nothing where stderr is no terminal.

    Examples
    --------
    >>> with Progress() as progress:
    ...     progress("process 1 of 3")
    """

    def __init__(self) -> None:
        self._shown = sys.stderr is not None and sys.stderr.isatty()
        self._width = 0

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self("")

    def __call__(self, text: str) -> None:
        """Write a text in place of the last one."""
        if self._shown:
            print(f"\r{text:<{self._width}}\r{text}", end="", file=sys.stderr, flush=True)
            self._width = len(text)
