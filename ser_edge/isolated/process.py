"""The parent's side of an isolated job: start the child, follow its reports, explain its end.

An interpreter compiled for another processor or C library may end the process with a signal instead
of an exception. The child reports JSON lines on stdout. Imports only the standard library, so that
NumPy itself can be tested.
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

# The child searches the same folders for packages as the parent, and not the current folder.
_CHILD = (
    "import sys; sys.path[:] = sys.argv.pop(1).split('\\n'); "
    "from ser_edge.isolated import child; child.run(sys.argv[1])"
)


@dataclass(frozen=True)
class Outcome:
    """Result of an isolated job.

    Parameters
    ----------
    state : {"works", "fails", "dies", "hangs"}
        Succeeded, raised an exception, ended early, or reported nothing until the timeout.
    wall_ms : float
        Wall-clock time, the start of Python included [ms].
    stage : str
        The last stage: ``"import"``, or what the job reported, such as ``"open"`` or ``"run"``;
        empty if Python itself did not start.
    problem : str
        Why it failed; empty if it succeeded.
    remedy : str
        What to do about it; empty unless the exception names a remedy.
    error : str
        Class name of the exception; empty if none was raised.
    signal : str
        Signal that ended the process, such as ``"SIGILL"``; empty if none did.
    found : dict of str to JSON types
        The job's reports, merged; for the module ``"numpy"`` also its ``blas``.
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
        ``"module:function"``, a generator function. It yields dicts, which are merged into
        ``found`` and kept even if the job then fails; the entry ``"stage"`` names the next step.
    arguments : sequence of str
        The job's arguments.
    timeout_s : float > 0
        Longest time without a report [s].
    environment : dict of str to str, optional
        Variables in addition to this process's.
    cpus : sequence of int
        CPUs that the process may use; ``found["pinned"]`` is whether the system allowed that.
        Empty: any.
    on_report : callable
        Called with each report.

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
                f"cannot start a process to test {module} ({error.strerror or error})",
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
        timer.daemon = True  # an interrupted program must not wait for it
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
