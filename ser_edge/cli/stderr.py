"""What the command prints to stderr: errors, and nothing from an interpreter's C++ code."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from numbers import Number

from ser_edge.errors import SerEdgeError
from ser_edge.terminal import printable


def print_error(error: SerEdgeError) -> None:
    """Print an error as one line."""
    print("ser-edge:", printable(error), file=sys.stderr)


class PrintableFormatter(logging.Formatter):
    """Formats log records, whose arguments may be names from outside."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the message."""
        if isinstance(record.args, tuple):  # else a dict or nothing
            args = tuple(arg if isinstance(arg, Number) else printable(arg) for arg in record.args)
            record = logging.makeLogRecord(record.__dict__ | {"args": args})
        return super().format(record)


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
