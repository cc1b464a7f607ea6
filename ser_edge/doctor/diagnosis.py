"""What ``ser-edge doctor`` tells, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from ser_edge.doctor.machine import UNKNOWN, Machine


@dataclass(frozen=True)
class BackendReport:
    """How one backend fares here.

    Parameters
    ----------
    name : str
        ``"litert"``, ``"tflite"``, ``"onnx"`` or ``"numeric"``.
    package : str
        What pip calls its package.
    version : str or None
        Of the package, where it is installed.
    state : str
        ``"runs"`` (a model of the bundle), ``"loads"`` (no bundle was given), ``"absent"``,
        ``"no wheel"`` (absent, and none is made for this machine), ``"outdated"`` (built
        for an older NumPy), ``"no file"`` (of the bundle is for it), ``"fails"`` (an exception),
        ``"dies"`` (it ends Python) or ``"hangs"``.
    detail : str
        What ran, or why nothing does.
    remedy : str
        What to run; empty where nothing is wrong or nothing helps.
    passed_over : bool
        Whether the next one is taken in its place, unless it is asked for.
    wall_ms : float or None
        What the trial took, the start of Python included; None where there was none [ms].
    signal : str
        What ended it, such as ``"SIGILL"``; else empty.
    """

    name: str
    package: str
    version: str | None
    state: str
    detail: str
    remedy: str
    passed_over: bool
    wall_ms: float | None = None
    signal: str = ""

    @property
    def works(self) -> bool:
        """Whether it was seen to work."""
        return self.state in ("runs", "loads")


@dataclass(frozen=True)
class Diagnosis:
    """All that was found; ``ser-edge doctor --json`` prints these fields by name, and ``works``.

    Parameters
    ----------
    ser_edge : str
        Its version.
    machine : Machine
        See `ser_edge.doctor.machine.Machine`.
    numpy, blas : str or None
        NumPy's version, and what it multiplies matrices with.
    numpy_problem, numpy_remedy : str
        Why NumPy does not work and what to run; then no backend does, and `backends` is empty.
    soundfile, soxr : str or None
        Their versions, where they are installed. The first reads FLAC, OGG and MP3.
    bundle : str or None
        The folder given.
    bundle_problem : str
        Why it is not usable, and what to do.
    backends : tuple of BackendReport
        In the order in which they are tried.
    chosen : str or None
        The backend that is taken unless another is asked for. It may be one that dies.
    """

    ser_edge: str
    machine: Machine
    numpy: str | None
    blas: str | None
    numpy_problem: str
    numpy_remedy: str
    soundfile: str | None
    soxr: str | None
    bundle: str | None
    bundle_problem: str
    backends: tuple[BackendReport, ...]
    chosen: str | None

    @property
    def works(self) -> bool:
        """Whether a backend works, with the bundle where one was given."""
        return not self.bundle_problem and any(backend.works for backend in self.backends)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return {**asdict(self), "works": self.works}

    def __str__(self) -> str:
        return "\n".join(f"{name:<9} {value}".rstrip() for name, value in _rows(self))


def _rows(found: Diagnosis) -> Iterator[tuple[str, str]]:
    machine = found.machine
    yield "ser-edge", f"{found.ser_edge}, {machine.python}"
    yield "machine", f"{machine.system} on {machine.machine}, {machine.libc}"
    cores = "1 core" if machine.cores == 1 else f"{machine.cores} cores"
    yield "cpu", f"{machine.cpu}, {cores} for this process"
    yield "", _features(machine.cpu_features)
    yield "memory", f"{_gib(machine.memory_bytes)}, {_gib(machine.available_bytes)} available"
    environment = ", ".join(f"{n} {v or 'not set'}" for n, v in machine.threads.items())
    yield "threads", f"1 an inference; {environment}"
    yield "numpy", f"{found.numpy or UNKNOWN}, {found.numpy_problem or found.blas}"
    if found.numpy_remedy:
        yield "", found.numpy_remedy
    if found.soundfile:
        yield "audio", f"WAV; FLAC, OGG and MP3 by soundfile {found.soundfile}"
    else:
        yield "audio", "WAV; for FLAC, OGG and MP3: pip install 'ser-edge[audio]'"
    yield "", f"soxr {found.soxr or 'not installed, nor needed'}"
    yield "bundle", found.bundle_problem or found.bundle or "none; give --bundle DIR"
    yield "", ""
    for backend in found.backends:
        named = f"{backend.package} {backend.version}" if backend.version else backend.package
        took = "" if backend.wall_ms is None else f" ({backend.wall_ms / 1e3:.1f} s)"
        yield backend.name, f"{backend.state:<9} {named}, {backend.detail}{took}"
        if backend.remedy:
            yield "", f"{'':<9} {backend.remedy}"
    if found.backends:
        yield "", ""
    works = {backend.name: backend.works for backend in found.backends}
    if found.chosen is None:
        yield "used", "none, since none works"
    elif works[found.chosen]:
        yield "used", f"{found.chosen}, unless --backend asks for another"
    else:
        others = [name for name, does in works.items() if does]
        advice = f"; until it is mended, give --backend {others[0]}" if others else ""
        yield "used", f"{found.chosen}, which does not work{advice}"


def _features(features: dict[str, bool]) -> str:
    has = " ".join(name for name, there in features.items() if there) or UNKNOWN
    lacks = " ".join(name for name, there in features.items() if not there)
    return f"{has}; without {lacks}" if lacks else has


def _gib(n_bytes: int | None) -> str:
    return UNKNOWN if n_bytes is None else f"{n_bytes / 2**30:.1f} GiB"
