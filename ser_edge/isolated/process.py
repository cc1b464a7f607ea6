"""An import, and a job, tried in a process of its own that may die or hang without doing harm.

Interpreters are compiled for some processors and C libraries and not for others; on a wrong one,
importing them may end in a signal instead of an exception. This module imports nothing but the
standard library, so that even NumPy can be tried.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from time import perf_counter
from typing import Any

from ser_edge.errors import SerEdgeError

# The other process finds packages where this one does, and not in the current folder.
_CHILD = (
    "import sys; sys.path[:] = sys.argv.pop(1).split('\\n'); "
    "from ser_edge.isolated import process; process.report(*sys.argv[1:])"
)
_MARK = "ser-edge trial: "  # precedes what is reported, whatever else a package prints


@dataclass(frozen=True)
class Trial:
    """How far something came in a process of its own.

    Parameters
    ----------
    state : {"works", "fails", "dies", "hangs"}
        Whether it worked, raised an exception, ended Python, or had not ended when time was up.
    wall_ms : float
        What it took, the start of Python included [ms].
    stage : str
        What it came to last: ``"import"``, or what the job says, such as ``"open"`` and ``"run"``;
        empty where not even Python and ser-edge had started.
    reason : str
        How it ended; empty where it works.
    error : str
        Name of the class of the exception; empty where none was raised.
    signal : str
        What ended it, such as ``"SIGILL"``; empty where no signal did.
    found : dict of str to JSON types
        The ``blas`` of NumPy, and what the job told until it ended.
    """

    state: str
    wall_ms: float
    stage: str = ""
    reason: str = ""
    error: str = ""
    signal: str = ""
    found: dict[str, Any] = field(default_factory=dict)


def attempt(module: str, job: str = "", words: Sequence[str] = (), *, timeout_s: float) -> Trial:
    """Import a module, and do a job with it.

    Parameters
    ----------
    module : str
        Of NumPy or an interpreter.
    job : str, optional
        ``"module:function"``, a generator function. What it yields are dicts of what is found, each
        kept even if the process goes no further; the entry ``"stage"`` says what comes next.
    words : sequence of str
        The job's arguments.
    timeout_s : float > 0
        When to give up [s].

    Returns
    -------
    trial : Trial

    Raises
    ------
    SerEdgeError
        If no process can be started.

    Examples
    --------
    >>> attempt("fractions", timeout_s=60).state
    'works'
    """
    started = perf_counter()
    try:
        done = subprocess.run(
            child_command(module, job, words),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=child_environment(),
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        told = _last_report(late.stdout)
        stage = told.pop("stage", "")
        return Trial("hangs", 1e3 * timeout_s, stage, f"not done after {timeout_s:g} s", found=told)
    except OSError as error:
        raise no_process(module, error) from None
    return concluded(done.returncode, done.stdout, done.stderr, 1e3 * (perf_counter() - started))


def child_command(module: str, job: str = "", words: Sequence[str] = ()) -> list[str]:
    """Return the command of the process that `attempt` starts."""
    return [sys.executable, "-c", _CHILD, "\n".join(sys.path), module, job, *words]


def child_environment() -> dict[str, str]:
    """Return the environment of the process that `attempt` starts."""
    return {"ORT_DISABLE_TELEMETRY": "1", **os.environ}


def no_process(module: str, error: OSError) -> SerEdgeError:
    """Say that no process can be started."""
    return SerEdgeError(
        f"{module} is tried in a process of its own, and none can be started here "
        f"({error.strerror or error}); end other programs, and try again"
    )


def told_in(line: bytes) -> dict[str, Any]:
    """Return what a line of a child's output tells so far; nothing where a package printed it."""
    text = line.decode(errors="replace")
    return dict(json.loads(text.removeprefix(_MARK))) if text.startswith(_MARK) else {}


def concluded(status: int, stdout: bytes, stderr: bytes, wall_ms: float) -> Trial:
    """Say how far a process came that has ended.

    Parameters
    ----------
    status : int
        Its exit status, negative where a signal ended it.
    stdout, stderr : bytes
        What it printed.
    wall_ms : float
        What it took [ms].

    Returns
    -------
    trial : Trial
    """
    told = _last_report(stdout)
    stage = told.pop("stage", "")
    if status:
        name, how = _ended_by(status)
        said = stderr.decode(errors="replace").strip().splitlines()
        last = f", after it said: {said[-1][:200]}" if said else ""
        return Trial("dies", wall_ms, stage, how + last, signal=name, found=told)
    if "error" in told:
        reason, kind = told.pop("reason"), told.pop("error")
        return Trial("fails", wall_ms, stage, reason, kind, found=told)
    if told.pop("done", None) is None:
        return Trial("dies", wall_ms, stage, "Python exited with status 0", found=told)
    return Trial("works", wall_ms, stage, found=told)


def _last_report(stdout: bytes | None) -> dict[str, Any]:
    reports = [told for line in (stdout or b"").splitlines() if (told := told_in(line))]
    return reports[-1] if reports else {}


def _ended_by(status: int) -> tuple[str, str]:
    """Name the signal, if any, and say how a process ended."""
    try:
        number = signal.Signals(-status)
    except ValueError:
        return "", f"Python exited with status {status}"
    return number.name, f"ended by {number.name} ({(signal.strsignal(number) or '').lower()})"


def report(module: str, job: str, *words: str) -> None:
    """Try something in this process, and print how far it came; see `attempt`."""
    told: dict[str, Any] = {"stage": "import"}
    try:
        _print(told)  # ahead of it, as it may be the last that is heard
        imported = import_module(module)
        if module == "numpy":
            told["blas"] = _blas(imported)
        if job:
            home, _, name = job.partition(":")
            for found in getattr(import_module(home), name)(*words):
                told |= found
                _print(told)
        told["done"] = "yes"
    except Exception as error:  # a package may raise anything, and whatever it is, is told
        lines = str(error).strip().splitlines()
        told |= {"error": type(error).__name__, "reason": lines[0] if lines else "no message"}
    _print(told)


def _print(told: dict[str, Any]) -> None:
    print(f"\n{_MARK}{json.dumps(told)}", flush=True)


def _blas(numpy: Any) -> str:
    try:
        blas = numpy.show_config(mode="dicts")["Build Dependencies"]["blas"]
        return f"{blas['name']} {blas['version']}"
    except (KeyError, TypeError):  # not every builder of NumPy states it
        return "unknown"
