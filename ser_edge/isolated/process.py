"""An import and a job in a process of its own: the parent's side.

Interpreters are compiled for some processors and C libraries. On another one, importing them may
end the process with a signal instead of an exception. Reports are JSON lines on the child's stdout;
arrays travel in files. Only the standard library is imported, so that NumPy itself can be tried.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Timer
from time import perf_counter
from typing import Any

from ser_edge.errors import SerEdgeError
from ser_edge.isolated.child import MARK

# The child finds packages where the parent does, and not in the current folder.
_CHILD = (
    "import sys; sys.path[:] = sys.argv.pop(1).split('\\n'); "
    "from ser_edge.isolated import child; child.run(sys.argv[1])"
)


@dataclass(frozen=True)
class Outcome:
    """How far a process of its own came.

    Parameters
    ----------
    state : {"works", "fails", "dies", "hangs"}
        It succeeded, raised an exception, ended early, or reported nothing until the timeout.
    wall_ms : float
        Wall-clock time, the start of Python included [ms].
    stage : str
        The last stage: ``"import"``, or what the job reported, such as ``"open"`` and ``"run"``;
        empty where not even Python and ser-edge had started.
    problem : str
        Why it did not succeed; empty where it did.
    remedy : str
        What to do about it, where the exception says so.
    error : str
        Name of the exception's class; empty where none was raised.
    signal : str
        What ended the process, such as ``"SIGILL"``; empty where no signal did.
    found : dict of str to JSON types
        What the job reported, and the ``blas`` of NumPy.
    """

    state: str
    wall_ms: float
    stage: str = ""
    problem: str = ""
    remedy: str = ""
    error: str = ""
    signal: str = ""
    found: dict[str, Any] = field(default_factory=dict)


def run_isolated(
    module: str,
    job: str = "",
    arguments: Sequence[str] = (),
    *,
    timeout_s: float,
    environment: Mapping[str, str] | None = None,
    cpus: Sequence[int] = (),
    on_report: Callable[[dict[str, Any]], object] = lambda report: None,
) -> Outcome:
    """Import a module and run a job in a new process.

    Parameters
    ----------
    module : str
        Module to import first, such as an interpreter.
    job : str, optional
        ``"module:function"``, a generator function. It yields dicts, each merged into ``found`` and
        kept even if the process goes no further; the entry ``"stage"`` names what comes next.
    arguments : sequence of str
        The job's arguments.
    timeout_s : float > 0
        Longest time without a report [s].
    environment : dict of str to str, optional
        Variables in addition to this process's.
    cpus : sequence of int
        CPUs that the process may use, where the system allows it; ``found["pinned"]`` is whether
        it did. Empty: any.
    on_report : callable
        Gets each report.

    Returns
    -------
    outcome : Outcome

    Raises
    ------
    SerEdgeError
        If no process can be started.

    Examples
    --------
    >>> run_isolated("fractions", timeout_s=60).state
    'works'
    """
    started_s = perf_counter()
    request = {
        "module": module,
        "job": job,
        "arguments": list(arguments),
        "cpus": list(cpus),
        "started_s": started_s,
    }
    with tempfile.TemporaryFile() as stderr:
        try:
            process = subprocess.Popen(
                [sys.executable, "-c", _CHILD, "\n".join(sys.path), json.dumps(request)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env={"ORT_DISABLE_TELEMETRY": "1", **os.environ, **(environment or {})},
            )
        except OSError as error:
            raise SerEdgeError(
                f"{module} is tried in a process of its own, and none can be started here "
                f"({error.strerror or error})",
                "end other programs, and try again",
            ) from None
        report, timed_out = _follow(process, timeout_s, on_report)
        wall_ms = 1e3 * (perf_counter() - started_s)
        stderr.seek(0)
        return _outcome(process.returncode, report, stderr.read(), wall_ms, timed_out, timeout_s)


def _follow(
    process: subprocess.Popen[bytes],
    timeout_s: float,
    on_report: Callable[[dict[str, Any]], object],
) -> tuple[dict[str, Any], bool]:
    """Wait for a process; return its last report and whether it was killed by the timeout."""
    report: dict[str, Any] = {}
    timed_out = False

    def give_up() -> None:
        nonlocal timed_out
        timed_out = True
        process.kill()

    def new_timer() -> Timer:
        timer = Timer(timeout_s, give_up)
        timer.daemon = True  # an interruption must not wait for it
        timer.start()
        return timer

    timer = None
    try:
        timer = new_timer()
        for line in process.stdout or ():
            if line.startswith(MARK.encode()):
                report = json.loads(line[len(MARK) :])
                timer.cancel()
                timer = new_timer()
                on_report(report)
        process.wait()
    finally:
        if timer:
            timer.cancel()
        process.kill()  # also after Ctrl-C
        process.wait()
        if process.stdout:
            process.stdout.close()
    return dict(report), timed_out


def _outcome(
    status: int,
    report: dict[str, Any],
    stderr: bytes,
    wall_ms: float,
    timed_out: bool,
    timeout_s: float,
) -> Outcome:
    stage, done = report.pop("stage", ""), report.pop("done", False)
    problem, remedy = report.pop("problem", ""), report.pop("remedy", "")
    error = report.pop("error", "")
    if timed_out:
        problem = f"reported nothing for {timeout_s:g} s"
        return Outcome("hangs", wall_ms, stage, problem, found=report)
    if status:
        name, how = _end(status)
        lines = stderr.decode(errors="replace").strip().splitlines()
        last = f", its last message: {lines[-1][:200]}" if lines else ""
        return Outcome("dies", wall_ms, stage, how + last, signal=name, found=report)
    if error:
        return Outcome("fails", wall_ms, stage, problem, remedy, error, found=report)
    if not done:
        return Outcome("dies", wall_ms, stage, "Python exited with status 0", found=report)
    return Outcome("works", wall_ms, stage, found=report)


def _end(status: int) -> tuple[str, str]:
    """Return the signal's name, if any, and how the process ended."""
    try:
        number = signal.Signals(-status)
    except ValueError:
        return "", f"Python exited with status {status}"
    return number.name, f"ended by {number.name} ({(signal.strsignal(number) or '').lower()})"
