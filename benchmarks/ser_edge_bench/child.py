"""A job in a process of its own that tells how it goes on, and that ends when this one does."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from threading import Timer
from time import perf_counter
from typing import Any

from ser_edge.isolated.process import (
    Trial,
    child_command,
    child_environment,
    concluded,
    no_process,
    told_in,
)
from ser_edge_bench.pinning import children_on

STARTED = "started"
"""Stands for the time at which a process was started."""


def watch(
    module: str,
    job: str,
    words: Sequence[str],
    *,
    environment: Mapping[str, str],
    cpus: Sequence[int],
    silence_s: float,
    on_told: Callable[[dict[str, Any]], object] = lambda told: None,
) -> Trial:
    """Import a module and do a job with it, as `ser_edge.isolated.process.attempt` does.

    Parameters
    ----------
    module, job, words
        As for `attempt`. A word `STARTED` is replaced by the time at which the process is
        started, by ``time.perf_counter``.
    environment : dict of str to str
        What the process's differs in from this one's.
    cpus : sequence of int
        Where it may run; anywhere if empty.
    silence_s : float > 0
        When to give up on a process that tells nothing [s].
    on_told : callable
        Gets what the job has told so far, each time that it tells something.

    Returns
    -------
    trial : Trial
        Its ``found`` has ``pinned``, whether the system keeps the process on `cpus`.

    Raises
    ------
    SerEdgeError
        If no process can be started.
    """
    started = perf_counter()
    given = [repr(started) if word == STARTED else word for word in words]
    with tempfile.TemporaryFile() as stderr:
        try:
            with children_on(cpus) as pinned:
                process = subprocess.Popen(
                    child_command(module, job, given),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=stderr,
                    env={**child_environment(), **environment},
                )
        except OSError as error:
            raise no_process(module, error) from None
        heard, late = _hear(process, silence_s, on_told)
        wall_ms = 1e3 * (perf_counter() - started)
        if late:
            told = told_in(heard)
            stage = told.pop("stage", "")
            return Trial("hangs", wall_ms, stage, f"told nothing for {silence_s:g} s", found=told)
        stderr.seek(0)
        trial = concluded(process.returncode, heard, stderr.read(), wall_ms)
    trial.found["pinned"] = pinned
    return trial


def _hear(
    process: subprocess.Popen[bytes], silence_s: float, on_told: Callable[[dict[str, Any]], object]
) -> tuple[bytes, bool]:
    """Return the last thing that it told, and whether it fell silent, once it has ended."""
    last, fell_silent = b"", False

    def give_up() -> None:
        nonlocal fell_silent
        fell_silent = True
        process.kill()

    def patience() -> Timer:
        timer = Timer(silence_s, give_up)
        timer.daemon = True  # wherever an interruption strikes, nobody is to wait for it
        timer.start()
        return timer

    timer = None
    try:
        timer = patience()
        for line in process.stdout or ():
            if told := told_in(line):
                last = line
                timer.cancel()
                timer = patience()
                on_told(told)
        process.wait()
    finally:
        if timer:
            timer.cancel()
        process.kill()  # whatever goes wrong here, Ctrl-C included
        process.wait()
        if process.stdout:
            process.stdout.close()
    return last, fell_silent
