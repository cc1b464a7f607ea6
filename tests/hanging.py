"""Code that hangs, and timers that go off as soon as it does, however busy the machine is."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

HANG_S = 600
"""Time after which a test gives up [s]; only what hangs takes so long, on a busy machine too."""


def hang(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a statement that hangs; timers of isolated jobs then wait for it, not for a time."""
    fifo = folder / "hangs"
    os.mkfifo(fifo)

    class UntilItHangs(threading.Timer):
        def run(self) -> None:
            fifo.open("rb").close()  # returns once the statement opens it for writing
            if not self.finished.is_set():
                self.function(*self.args)

    monkeypatch.setattr("ser_edge.isolated.process.Timer", UntilItHangs)
    return f"_ = open({str(fifo)!r}, 'wb'), __import__('time').sleep(1000)"


def make_pipe(path: Path) -> None:
    """Make a named pipe; code that reads it finds it empty, where a user's process would hang."""
    os.mkfifo(path)
    threading.Thread(target=lambda: path.open("wb").close(), daemon=True).start()
