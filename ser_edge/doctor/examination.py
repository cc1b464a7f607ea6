"""Which backends work on this machine, why others do not, and what would mend them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from ser_edge import __version__
from ser_edge.doctor.diagnosis import BackendReport, Diagnosis
from ser_edge.doctor.machine import Machine, this_machine
from ser_edge.errors import BundleError
from ser_edge.isolated.process import Trial, attempt

if TYPE_CHECKING:
    from ser_edge.bundle import Bundle

# The processors that wheels are made for: of ai-edge-litert 2.3, tflite-runtime 2.14 and
# onnxruntime 1.23 and above. None is made for musl (Alpine).
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

_WHERE = {"import": "on import: ", "open": "on opening the model: ", "run": "on running it: "}


def diagnose(bundle: str | os.PathLike[str] | None = None, *, timeout_s: float = 60) -> Diagnosis:
    """Look at this machine, and try each backend in a process of its own.

    Parameters
    ----------
    bundle : path, optional
        A bundle that each backend is to run; without one the interpreters are only imported.
    timeout_s : float > 0
        When to give up on each [s].

    Returns
    -------
    diagnosis : Diagnosis

    Raises
    ------
    SerEdgeError
        If no process can be started.
    """
    machine = this_machine()
    numpy = attempt("numpy", timeout_s=timeout_s)
    problem, remedy = ending(numpy, "numpy")
    bundle_problem = ""
    backends: tuple[BackendReport, ...] = ()
    if not problem:
        # These import NumPy, which is safe now.
        from ser_edge.backends import INTERPRETERS
        from ser_edge.bundle import Bundle

        opened = None
        try:
            opened = None if bundle is None else Bundle.open(bundle)
        except BundleError as error:
            bundle_problem = str(error)
        backends = tuple(_examine(name, machine, opened, timeout_s) for name in INTERPRETERS)
    return Diagnosis(
        ser_edge=__version__,
        machine=machine,
        numpy=_version("numpy"),
        blas=numpy.found.get("blas"),
        numpy_problem=problem,
        numpy_remedy=remedy,
        soundfile=_version("soundfile"),
        soxr=_version("soxr"),
        bundle=None if bundle is None else os.fspath(bundle),
        bundle_problem=bundle_problem,
        backends=backends,
        chosen=next((backend.name for backend in backends if not backend.passed_over), None),
    )


def _examine(name: str, machine: Machine, bundle: Bundle | None, timeout_s: float) -> BackendReport:
    from ser_edge.backends import INTERPRETERS
    from ser_edge.backends.selection import model_for

    interpreter = INTERPRETERS[name]
    package = interpreter.distribution
    told = partial(BackendReport, name, package, _version(package))
    missing = absence(name, machine)
    if missing:
        return told(*missing, True)
    if bundle is not None and model_for(bundle, name) is None:
        detail = f"the bundle has no {interpreter.suffix} file"
        return told("no file", detail, "ser-edge export RUN --int8", True)
    job, words = "", []
    if bundle is not None:
        job, words = f"{__name__}:run_on_zeros", [os.fspath(bundle.folder), name]
    trial = attempt(interpreter.module, job, words, timeout_s=timeout_s)
    state = trial.state
    detail, remedy = ending(trial, package)
    if state == "works":
        file = trial.found.get("file")
        state, detail = ("runs", file) if file else ("loads", "imported")
    # As `ser_edge.backends.selection` does: what an interpreter raises is passed over.
    passed_over = bool(trial.error) and (
        trial.stage == "import" or (trial.stage, trial.error) == ("open", "BackendError")
    )
    return told(state, detail, remedy, passed_over, round(trial.wall_ms), trial.signal)


def run_on_zeros(folder: str, backend: str) -> Iterator[dict[str, Any]]:
    """Load a bundle and run its network once; a job for `ser_edge.isolated.process.attempt`."""
    import numpy as np

    from ser_edge.classifier import Classifier

    yield {"stage": "open"}
    classifier = Classifier.load(folder, backend=backend)
    yield {"stage": "run"}
    shape = classifier.bundle.manifest.input.shape
    classifier.probabilities(np.zeros((1, *shape), np.float32))
    yield {"file": classifier.model.file}


def absence(name: str, machine: Machine) -> tuple[str, str, str] | None:
    """Say why a backend need not be tried: its state, the reason, and what to run.

    Parameters
    ----------
    name : str
        A key of `ser_edge.backends.INTERPRETERS`.
    machine : Machine

    Returns
    -------
    state, detail, remedy : str
        As in `BackendReport`; None instead where it is installed for this NumPy.
    """
    from ser_edge.backends import INTERPRETERS

    interpreter = INTERPRETERS[name]
    if not interpreter.installed:
        missing = missing_wheel(name, machine)
        if missing:
            return "no wheel", missing, ""
        return "absent", "not installed", f"pip install 'ser-edge[{interpreter.extra}]'"
    if not interpreter.usable:
        newest = interpreter.most_numpy
        detail = f"built for NumPy {newest}, and NumPy is {_version('numpy')}"
        return "outdated", detail, f"pip install 'numpy<{newest + 1}'"
    return None


def missing_wheel(
    backend: str, machine: Machine, python: tuple[int, int] = sys.version_info[:2]
) -> str:
    """Say why pip would find no wheel for a backend.

    Parameters
    ----------
    backend : {"litert", "tflite", "onnx"}
    machine : Machine
    python : (int, int)
        Version of Python.

    Returns
    -------
    reason : str
        Empty where there is a wheel.

    Examples
    --------
    >>> missing_wheel("tflite", this_machine(), (3, 12))
    'made for Python up to 3.11'
    """
    newest = _NEWEST_PYTHON.get(backend)
    if newest and python > newest:
        return f"made for Python up to {newest[0]}.{newest[1]}"
    if machine.libc.startswith("musl"):
        return "made for glibc, not for musl"
    if machine.machine not in _WHEELS[backend].get(machine.system, ()):
        return f"not made for {machine.system} on {machine.machine}"
    return ""


def ending(trial: Trial, package: str) -> tuple[str, str]:
    """Say why a trial did not work and what to run; nothing where it did."""
    if trial.state == "works":
        return "", ""
    if trial.error in ("BackendError", "BundleError"):  # which say what to do themselves
        detail, _, remedy = trial.reason.partition("; ")
        return detail, remedy
    error = f"{trial.error}: " if trial.error else ""
    detail = f"{_WHERE.get(trial.stage, '')}{error}{trial.reason}"
    if trial.signal == "SIGILL" and package != "numpy":
        # Its wheel was built for newer processors, and would be again.
        return detail, f"pip uninstall {package}"
    return detail, f"pip install --force-reinstall --no-deps {package}"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
