"""What ``ser-edge doctor`` reports, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from ser_edge.doctor.machine import UNKNOWN, Machine
from ser_edge.terminal import printable


@dataclass(frozen=True)
class BackendReport:
    """State of one backend on this machine.

    Parameters
    ----------
    name : str
        ``"litert"``, ``"tflite"``, ``"onnx"`` or ``"numeric"``.
    package : str
        Its package, as pip names it.
    version : str or None
        Version of the package, if installed.
    state : str
        ``"runs"`` (ran the bundle's model), ``"loads"`` (imported; the bundle cannot be used),
        ``"absent"`` (not installed), ``"no wheel"`` (not installed, and pip has none for this
        machine), ``"outdated"`` (built for an older NumPy), ``"no file"`` (the bundle has none for
        it), ``"fails"`` (raises an exception), ``"dies"`` (ends Python) or ``"hangs"``.
    detail : str
        The file that ran, or the problem.
    remedy : str
        Command that solves the problem; empty if there is none.
    skipped : bool
        Whether automatic selection skips it.
    wall_ms : float or None
        Duration of the test, the start of Python included; None if not tested [ms].
    signal : str
        Signal that ended the test, such as ``"SIGILL"``; else empty.
    """

    name: str
    package: str
    version: str | None
    state: str
    detail: str
    remedy: str
    skipped: bool
    wall_ms: float | None = None
    signal: str = ""

    @property
    def works(self) -> bool:
        """Whether it passed its test."""
        return self.state in ("runs", "loads")


@dataclass(frozen=True)
class Diagnosis:
    """The whole report; ``ser-edge doctor --json`` prints these fields by name, and ``works``.

    Parameters
    ----------
    ser_edge : str
        Version of ser-edge.
    machine : Machine
        See `ser_edge.doctor.machine.Machine`.
    numpy, blas : str or None
        Versions of NumPy and of its linear algebra library.
    numpy_problem, numpy_remedy : str
        Why NumPy does not work and which command solves it; then `backends` is empty.
    soundfile : str or None
        Version of soundfile, if installed; it reads FLAC, OGG and MP3.
    bundle : str or None
        Folder of the bundle; None if none was given and NumPy does not work.
    bundle_problem, bundle_remedy : str
        Why the bundle cannot be used, and what to do.
    backends : tuple of BackendReport
        In the order of automatic selection.
    chosen : str or None
        Backend that automatic selection takes, even if it is one that dies.
    """

    ser_edge: str
    machine: Machine
    numpy: str | None
    blas: str | None
    numpy_problem: str
    numpy_remedy: str
    soundfile: str | None
    bundle: str | None
    bundle_problem: str
    bundle_remedy: str
    backends: tuple[BackendReport, ...]
    chosen: str | None

    @property
    def works(self) -> bool:
        """Whether a backend runs the bundle."""
        return not self.bundle_problem and any(backend.works for backend in self.backends)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        return {**asdict(self), "works": self.works}

    def __str__(self) -> str:
        return "\n".join(f"{name:<9} {printable(value)}".rstrip() for name, value in _rows(self))


def _rows(diagnosis: Diagnosis) -> Iterator[tuple[str, str]]:
    machine = diagnosis.machine
    yield "ser-edge", f"{diagnosis.ser_edge}, {machine.python}"
    yield "machine", f"{machine.system} on {machine.machine}, {machine.libc}"
    cores = "1 core" if machine.cores == 1 else f"{machine.cores} cores"
    yield "cpu", f"{machine.cpu}, {cores} for this process"
    yield "", _features(machine.cpu_features)
    yield "memory", f"{_gib(machine.memory_bytes)}, {_gib(machine.available_bytes)} available"
    variables = ", ".join(f"{n}={v}" if v else f"{n} not set" for n, v in machine.threads.items())
    yield "threads", f"1 per inference; {variables}"
    yield "numpy", f"{diagnosis.numpy or UNKNOWN}, {diagnosis.numpy_problem or diagnosis.blas}"
    if diagnosis.numpy_remedy:
        yield "", diagnosis.numpy_remedy
    if diagnosis.soundfile:
        yield "audio", f"WAV; FLAC, OGG and MP3 with soundfile {diagnosis.soundfile}"
    else:
        yield "audio", "WAV; for FLAC, OGG and MP3: pip install 'ser-edge[audio]'"
    yield "bundle", diagnosis.bundle or "not tried"
    for line in filter(None, (diagnosis.bundle_problem, diagnosis.bundle_remedy)):
        yield "", line
    yield "", ""
    for backend in diagnosis.backends:
        package = f"{backend.package} {backend.version}" if backend.version else backend.package
        duration = "" if backend.wall_ms is None else f" ({backend.wall_ms / 1e3:.1f} s)"
        yield backend.name, f"{backend.state:<9} {package}, {backend.detail}{duration}"
        if backend.remedy:
            yield "", f"{'':<9} {backend.remedy}"
    if diagnosis.backends:
        yield "", ""
    works = {backend.name: backend.works for backend in diagnosis.backends}
    if diagnosis.chosen is None:
        yield "default", "none, no backend works"
    elif works[diagnosis.chosen]:
        yield "default", f"{diagnosis.chosen}; choose another with --backend"
    else:
        others = [name for name, ok in works.items() if ok]
        advice = f"; use --backend {others[0]} until it is repaired" if others else ""
        yield "default", f"{diagnosis.chosen}, which does not work{advice}"


def _features(features: dict[str, bool]) -> str:
    present = " ".join(name for name, has in features.items() if has) or UNKNOWN
    missing = " ".join(name for name, has in features.items() if not has)
    return f"{present}; without {missing}" if missing else present


def _gib(n_bytes: int | None) -> str:
    return UNKNOWN if n_bytes is None else f"{n_bytes / 2**30:.1f} GiB"
