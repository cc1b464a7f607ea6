"""Ctrl-C that ends a training for certain.

Python raises `KeyboardInterrupt` wherever the main thread is. Inside a finaliser or a callback of a
library it is printed or lost, and the training would go on.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_pressed = threading.Event()
_deferred = threading.Event()


@contextmanager
def certain_interrupt() -> Iterator[None]:
    """Remember Ctrl-C in the block, so that `check_interrupt` raises it if a library lost it.

    Only the main thread can set handlers; one of the user's, or that of a process whose interrupts
    are ignored, stays.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _press)
    try:
        yield
        check_interrupt()
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _pressed.clear()


@contextmanager
def deferred_interrupt() -> Iterator[None]:
    """Let only `check_interrupt` raise in the block; a second Ctrl-C raises at once."""
    _deferred.set()
    try:
        yield
    finally:
        _deferred.clear()
    check_interrupt()


def check_interrupt() -> None:
    """Raise `KeyboardInterrupt` if Ctrl-C was pressed."""
    if _pressed.is_set():
        raise KeyboardInterrupt


def _press(*_: object) -> None:
    again = _pressed.is_set()
    _pressed.set()
    if again or not _deferred.is_set():
        raise KeyboardInterrupt
