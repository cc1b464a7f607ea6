"""The child's side of `ser_edge.isolated.process`: import a module, run a job, print reports.

Imports only the standard library, so that NumPy itself can be tested.
"""

from __future__ import annotations

import json
import os
from importlib import import_module
from time import perf_counter
from typing import Any

from ser_edge.errors import SerEdgeError, first_line

MARK = "ser-edge report: "
"""Start of each line of stdout that is a report; packages may print other lines."""

started_s = perf_counter()
"""`time.perf_counter` when the parent started this process; all processes share its clock [s]."""


def run(request: str) -> None:
    """Run a request, and print a report after each step.

    Parameters
    ----------
    request : str
        JSON object with ``module``, ``job``, ``arguments``, ``cpus`` and ``started_s``; see
        `ser_edge.isolated.run_isolated`.
    """
    global started_s
    settings = json.loads(request)
    started_s = settings["started_s"]
    report: dict[str, Any] = {"stage": "import"}
    try:
        if settings["cpus"]:
            report["pinned"] = _pin(settings["cpus"])
        _print(report)  # before the import, which may end the process
        imported = import_module(settings["module"])
        if settings["module"] == "numpy":
            report["blas"] = _blas(imported)
        if settings["job"]:
            job_module, _, name = settings["job"].partition(":")
            for update in getattr(import_module(job_module), name)(*settings["arguments"]):
                report |= update
                _print(report)
        report["done"] = True
    except SerEdgeError as error:
        problem = str(SerEdgeError(error.problem, source=error.source))
        report |= {"error": type(error).__name__, "problem": problem, "remedy": error.remedy}
    except Exception as error:  # a package may raise anything
        report |= {"error": type(error).__name__, "problem": first_line(error), "remedy": ""}
    _print(report)


def _pin(cpus: list[int]) -> bool:
    try:
        os.sched_setaffinity(0, cpus)
    except (AttributeError, OSError):  # not on Linux, or not allowed
        return False
    return True


def _print(report: dict[str, Any]) -> None:
    print(f"\n{MARK}{json.dumps(report)}", flush=True)


def _blas(numpy: Any) -> str:
    try:
        blas = numpy.show_config(mode="dicts")["Build Dependencies"]["blas"]
        return f"{blas['name']} {blas['version']}"
    except (KeyError, TypeError):  # some builds of NumPy do not state it
        return "unknown"
