"""Run the reader under test in a process of its own; measure crashes, hangs, memory and time."""

from __future__ import annotations

import multiprocessing
import os
import re
import resource
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from time import process_time

from ser_edge.errors import SerEdgeError

# Wall-clock limit [s]. No file needs more than a second of CPU time, so that only a real hang takes
# this long, on a busy machine too.
TIMEOUT_S = 600.0
# The fork server has imported the readers, so a new worker starts quickly after a crash.
_CONTEXT = multiprocessing.get_context("forkserver")
_MAX_MEMORY = 8 << 30  # address space [bytes]; beyond it allocation raises a MemoryError


@dataclass(frozen=True)
class Outcome:
    """The result of one file."""

    kind: str
    """``answer``, the name of an exception, ``crash`` or ``hang``."""
    message: str = ""
    ours: bool = True
    """Whether it is an answer or a one-line `SerEdgeError`."""
    allocated: int = 0
    """Peak memory while reading, above that before [bytes]."""
    seconds: float = 0.0
    """CPU time [s]."""


class Worker:
    """Call a function in another process, with one file at a time."""

    def __init__(self, read: Callable[[bytes], object], warm_up: bytes) -> None:
        self._read = read
        self._warm_up = warm_up
        self._process: multiprocessing.process.BaseProcess | None = None
        self._start()

    def __call__(self, data: bytes) -> Outcome:
        if self._process is None:
            self._start()
        return self._ask(data)

    def close(self, *, hangs: bool = False) -> int | None:
        """End the process and return its exit status; kill it at once if it hangs."""
        process, self._process = self._process, None
        if process is None:
            return None
        self._pipe.close()  # the process then ends by itself
        if not hangs:
            process.join(TIMEOUT_S)
        process.kill()
        process.join()
        return process.exitcode

    def _start(self) -> None:
        _CONTEXT.set_forkserver_preload([f"{__package__}.readers"])
        self._pipe, theirs = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(target=_serve, args=(theirs, self._read), daemon=True)
        self._process.start()
        theirs.close()
        # The first file pays for imports.
        first = self._ask(self._warm_up)
        if first.kind != "answer":
            raise RuntimeError(f"the valid file gives {first}")

    def _ask(self, data: bytes) -> Outcome:
        try:
            self._pipe.send_bytes(data)
            if not self._pipe.poll(TIMEOUT_S):
                self.close(hangs=True)
                return Outcome("hang", f"no answer in {TIMEOUT_S:g} s", ours=False)
            outcome: Outcome = self._pipe.recv()
            return outcome
        except (EOFError, ConnectionError):
            status = self.close()
            return Outcome("crash", f"exit status {status}", ours=False)


def _serve(pipe: Connection, read: Callable[[bytes], object]) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY, _MAX_MEMORY))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # interpreters print messages about broken files
    tracemalloc.start()
    while True:
        try:
            data = pipe.recv_bytes()
        except EOFError:
            return
        pipe.send(_observe(read, data))


def _observe(read: Callable[[bytes], object], data: bytes) -> Outcome:
    tracemalloc.reset_peak()
    traced, resident = tracemalloc.get_traced_memory()[0], _resident("VmRSS", reset_peak=True)
    started = process_time()
    kind, message, ours = "answer", "", True
    try:
        read(data)
    except Exception as error:
        kind, message = type(error).__name__, str(error)
        ours = isinstance(error, SerEdgeError) and message.isprintable() and len(message) < 1000
    seconds = process_time() - started
    # tracemalloc does not see the interpreters' allocations, and resident memory does not include
    # pages that were never written.
    allocated = max(tracemalloc.get_traced_memory()[1] - traced, _resident("VmHWM") - resident)
    return Outcome(kind, message, ours, allocated, seconds)


def _resident(entry: str, *, reset_peak: bool = False) -> int:
    """Read the resident memory (VmRSS) or its peak (VmHWM) on Linux [bytes]."""
    if not sys.platform.startswith("linux"):
        return 0
    if reset_peak:
        Path("/proc/self/clear_refs").write_text("5")
    found = re.search(rf"{entry}:\s+(\d+) kB", Path("/proc/self/status").read_text("ascii"))
    return int(found[1]) * 1024 if found else 0
