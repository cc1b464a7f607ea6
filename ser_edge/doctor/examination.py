"""Test each backend on this machine, and explain how to repair those that do not work."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from ser_edge import __version__, errors
from ser_edge.checks import check_number
from ser_edge.doctor.diagnosis import BackendReport, Diagnosis
from ser_edge.doctor.machine import Machine, this_machine
from ser_edge.errors import BundleError
from ser_edge.isolated import Outcome, run_isolated

if TYPE_CHECKING:
    from ser_edge.bundle import Bundle

# Processors with wheels: ai-edge-litert 2.3, tflite-runtime 2.14, onnxruntime 1.23 and later.
# None of them has wheels for musl (Alpine).
_WHEELS: dict[str, dict[str, tuple[str, ...]]] = {
    "litert": {"Linux": ("x86_64", "aarch64"), "Darwin": ("aarch64",), "Windows": ("x86_64",)},
    "tflite": {"Linux": ("x86_64", "aarch64", "armv7l")},
    "onnx": {
        "Linux": ("x86_64", "aarch64"),
        "Darwin": ("x86_64", "aarch64"),
        "Windows": ("x86_64", "aarch64"),
    },
}
_NEWEST_PYTHON = {"tflite": (3, 11)}

_STAGES = {"import": "on import: ", "open": "on opening the model: ", "run": "on inference: "}


def diagnose(bundle: str | os.PathLike[str] | None = None, *, timeout_s: float = 60) -> Diagnosis:
    """Inspect this machine, and test each backend in a process of its own.

    Parameters
    ----------
    bundle : path, optional
        Bundle whose network each backend runs; by default the one in this package.
    timeout_s : float > 0
        Longest time that a test may take without progress [s].

    Returns
    -------
    diagnosis : Diagnosis

    Raises
    ------
    ConfigError
        If an argument is not legal.
    SerEdgeError
        If no process can be started.
    """
    check_number("timeout_s", timeout_s, 0, exclusive=True, unit="seconds")
    machine = this_machine()
    numpy = run_isolated("numpy", timeout_s=timeout_s)
    numpy_problem, numpy_remedy = explain(numpy, "numpy")
    bundle_problem = bundle_remedy = ""
    backends: tuple[BackendReport, ...] = ()
    if not numpy_problem:
        # These import NumPy, which works.
        from ser_edge.backends import INTERPRETERS
        from ser_edge.bundle import PRETRAINED, Bundle

        bundle = PRETRAINED if bundle is None else bundle
        opened = None
        try:
            opened = Bundle.open(bundle)
        except BundleError as error:
            bundle_problem = str(BundleError(error.problem, source=error.source))
            bundle_remedy = error.remedy
        backends = tuple(_examine(name, machine, opened, timeout_s) for name in INTERPRETERS)
    return Diagnosis(
        ser_edge=__version__,
        machine=machine,
        numpy=_version("numpy"),
        blas=numpy.found.get("blas"),
        numpy_problem=numpy_problem,
        numpy_remedy=numpy_remedy,
        soundfile=_version("soundfile"),
        bundle=None if bundle is None else os.fspath(bundle),
        bundle_problem=bundle_problem,
        bundle_remedy=bundle_remedy,
        backends=backends,
        chosen=next((backend.name for backend in backends if not backend.skipped), None),
    )


def _examine(name: str, machine: Machine, bundle: Bundle | None, timeout_s: float) -> BackendReport:
    from ser_edge.backends import INTERPRETERS
    from ser_edge.backends.selection import model_for

    interpreter = INTERPRETERS[name]
    package = interpreter.distribution
    report = partial(BackendReport, name, package, _version(package))
    missing = absence(name, machine)
    if missing:
        return report(*missing, True)
    if bundle is not None and model_for(bundle, name) is None:
        detail = f"the bundle has no {interpreter.suffix} file"
        return report("no file", detail, "ser-edge export RUN --int8", True)
    job, arguments = "", []
    if bundle is not None:
        job, arguments = f"{__name__}:run_on_zeros", [os.fspath(bundle.folder), name]
    outcome = run_isolated(interpreter.module, job, arguments, timeout_s=timeout_s)
    state = outcome.state
    detail, remedy = explain(outcome, package)
    if state == "works":
        file = outcome.found.get("file")
        state, detail = ("runs", file) if file else ("loads", "imported")
    # `ser_edge.backends.selection` skips a backend that raises one of these.
    skipped = bool(outcome.error) and (
        outcome.stage == "import" or (outcome.stage, outcome.error) == ("open", "BackendError")
    )
    return report(state, detail, remedy, skipped, round(outcome.wall_ms), outcome.signal)


def run_on_zeros(folder: str, backend: str) -> Iterator[dict[str, Any]]:
    """Load a bundle and run its network once; a job for `ser_edge.isolated.run_isolated`."""
    import numpy as np

    from ser_edge.classifier import Classifier

    yield {"stage": "open"}
    classifier = Classifier.load(folder, backend=backend)
    yield {"stage": "run"}
    shape = classifier.bundle.manifest.input.shape
    classifier.probabilities(np.zeros((1, *shape), np.float32))
    yield {"file": classifier.model.file}


def absence(name: str, machine: Machine) -> tuple[str, str, str] | None:
    """Return state, problem and remedy of a backend that is not installed or does not fit NumPy."""
    from ser_edge.backends import INTERPRETERS

    interpreter = INTERPRETERS[name]
    if not interpreter.installed:
        problem = missing_wheel(name, machine)
        if problem:
            return "no wheel", problem, ""
        return "absent", "not installed", f"pip install 'ser-edge[{interpreter.extra}]'"
    if not interpreter.usable:
        newest = interpreter.max_numpy
        problem = f"built for NumPy {newest}, but NumPy is {_version('numpy')}"
        return "outdated", problem, f"pip install 'numpy<{newest + 1}'"
    return None


def missing_wheel(
    backend: str, machine: Machine, python: tuple[int, int] = sys.version_info[:2]
) -> str:
    """Explain why pip finds no wheel for a backend.

    Parameters
    ----------
    backend : {"litert", "tflite", "onnx"}
    machine : Machine
    python : (int, int)
        Version of Python.

    Returns
    -------
    reason : str
        Empty if there is a wheel.

    Examples
    --------
    >>> missing_wheel("tflite", this_machine(), (3, 12))
    'needs Python 3.11 or older'
    """
    newest = _NEWEST_PYTHON.get(backend)
    if newest and python > newest:
        return f"needs Python {newest[0]}.{newest[1]} or older"
    if machine.libc.startswith("musl"):
        return "needs glibc, not musl"
    if machine.machine not in _WHEELS[backend].get(machine.system, ()):
        return f"not available for {machine.system} on {machine.machine}"
    return ""


def explain(outcome: Outcome, package: str) -> tuple[str, str]:
    """Return problem and remedy of an isolated job that needs a package; empty if it worked."""
    if outcome.state == "works":
        return "", ""
    if hasattr(errors, outcome.error):  # one of ours, which names its remedy
        return outcome.problem, outcome.remedy
    error = f"{outcome.error}: " if outcome.error not in ("", outcome.problem) else ""
    problem = f"{_STAGES.get(outcome.stage, '')}{error}{outcome.problem}"
    if outcome.signal == "SIGILL" and package != "numpy":
        # The wheel needs a newer processor; installing it again would not help.
        return problem, f"pip uninstall {package}"
    return problem, f"pip install --force-reinstall --no-deps {package}"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
