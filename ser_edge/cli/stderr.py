"""What the command prints to stderr: errors, and nothing from an interpreter's C++ code."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator

from ser_edge.errors import SerEdgeError


def print_error(error: SerEdgeError) -> None:
    """Print an error as one line, even if a file name contains line breaks."""
    print("ser-edge:", " ".join(str(error).splitlines()), file=sys.stderr)


class _Records(logging.Handler):
    """Collects log records; `logging.handlers.MemoryHandler` would import sockets and pickle."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        self.records.append(record)


@contextlib.contextmanager
def quiet_interpreters() -> Iterator[None]:
    """Discard what is written to stderr in the block, except log records."""
    try:
        kept = os.dup(2)
    except OSError:  # there is no stderr
        yield
        return
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    os.close(null)
    log = logging.getLogger()
    collected = _Records()
    handlers, log.handlers = log.handlers, [collected]
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        log.handlers = handlers
        for record in collected.records:
            log.handle(record)
