"""The child's side of `ser_edge.isolated.process`: import a module, run a job, print reports.

Only the standard library is imported, so that NumPy itself can be tried.
"""

from __future__ import annotations

import json
import os
from importlib import import_module
from time import perf_counter
from typing import Any

from ser_edge.errors import SerEdgeError

MARK = "ser-edge report: "
"""Begins a line of stdout that is a report; a package may print others."""

started_s = perf_counter()
"""When the parent started this process, by `time.perf_counter`, one clock for all processes [s]."""


def run(request: str) -> None:
    """Do what a request asks for, and print a report after each step.

    Parameters
    ----------
    request : str
        JSON object with ``module``, ``job``, ``arguments``, ``cpus`` and ``started_s``; see
        `ser_edge.isolated.run_isolated`.
    """
    global started_s
    wanted = json.loads(request)
    started_s = wanted["started_s"]
    report: dict[str, Any] = {"stage": "import"}
    try:
        if wanted["cpus"]:
            report["pinned"] = _pin(wanted["cpus"])
        _print(report)  # first, since the import may end the process
        imported = import_module(wanted["module"])
        if wanted["module"] == "numpy":
            report["blas"] = _blas(imported)
        if wanted["job"]:
            home, _, name = wanted["job"].partition(":")
            for found in getattr(import_module(home), name)(*wanted["arguments"]):
                report |= found
                _print(report)
        report["done"] = True
    except SerEdgeError as error:
        problem = f"{error.source}: {error.problem}" if error.source else error.problem
        report |= {"error": type(error).__name__, "problem": problem, "remedy": error.remedy}
    except Exception as error:  # a package may raise anything
        lines = str(error).strip().splitlines() or ["no message"]
        report |= {"error": type(error).__name__, "problem": lines[0], "remedy": ""}
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
    except (KeyError, TypeError):  # not every builder of NumPy states it
        return "unknown"
