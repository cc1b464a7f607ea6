"""What ``ser-edge verify`` reports, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from ser_edge.terminal import printable


@dataclass(frozen=True)
class Check:
    """Result of one check of the bundle.

    Parameters
    ----------
    name : str
        ``"manifest"``, ``"files"``, ``"golden"``, ``"features"``, ``"inputs"``,
        ``"probabilities"`` or ``"interpreters"``.
    ok : bool
        Whether it passed.
    detail : str
        What was found, or the problem.
    remedy : str
        What to do about the problem.
    """

    name: str
    ok: bool
    detail: str
    remedy: str = ""


@dataclass(frozen=True)
class ModelCheck:
    """Result of a model file in one interpreter, on the golden clips.

    Parameters
    ----------
    backend, file, precision : str
        The interpreter and the model file.
    state : str
        ``"agrees"``, ``"deviates"``, ``"fails"`` (raises an error), ``"dies"`` (ends Python) or
        ``"hangs"``.
    deviation : float or None
        Largest difference from the stored probabilities; None if there is no output.
    tolerance : float
        Largest allowed deviation.
    detail : str
        The problem; empty if it agrees.
    remedy : str
        What to do about the problem.
    """

    backend: str
    file: str
    precision: str
    state: str
    deviation: float | None
    tolerance: float
    detail: str = ""
    remedy: str = ""

    @property
    def ok(self) -> bool:
        """Whether it agrees."""
        return self.state == "agrees"


@dataclass(frozen=True)
class Report:
    """All results; ``ser-edge verify --json`` prints these fields by name, and ``ok``.

    Parameters
    ----------
    bundle : str
        The folder given.
    checks : tuple of Check
        In the order in which they were made; a check that depends on a failed one is left out.
    models : tuple of ModelCheck
        Each model file in each installed interpreter that reads it.
    not_tried : dict of str to str
        Why each other interpreter was not tried; this is no failure.
    wall_s : float
        Duration [s].
    """

    bundle: str
    checks: tuple[Check, ...]
    models: tuple[ModelCheck, ...]
    not_tried: dict[str, str]
    wall_s: float

    @property
    def failures(self) -> int:
        """Number of failed checks."""
        return sum(not check.ok for check in self.checks) + sum(not m.ok for m in self.models)

    @property
    def ok(self) -> bool:
        """Whether all checks passed."""
        return self.failures == 0

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        return {**asdict(self), "ok": self.ok}

    def __str__(self) -> str:
        return "\n".join(f"{name:<14} {printable(value)}".rstrip() for name, value in _rows(self))


def _rows(report: Report) -> Iterator[tuple[str, str]]:
    yield "bundle", report.bundle
    for check in report.checks:
        yield check.name, f"{'ok' if check.ok else 'fails':<9} {check.detail}"
        if check.remedy:
            yield "", f"{'':<9} {check.remedy}"
    yield "", ""
    width = max((len(model.file) for model in report.models), default=0)
    previous = ""
    for model in report.models:
        state = "ok" if model.ok else model.state
        detail = model.detail or describe_deviation(model.deviation, model.tolerance)
        name = "" if model.backend == previous else model.backend
        yield name, f"{state:<9} {model.file:<{width}}  {detail}"
        if model.remedy:
            yield "", f"{'':<9} {'':<{width}}  {model.remedy}"
        previous = model.backend
    for name, reason in report.not_tried.items():
        yield name, f"not tried {reason}"
    if report.models or report.not_tried:
        yield "", ""
    failures = "1 check fails" if report.failures == 1 else f"{report.failures} checks fail"
    yield "all", f"{'ok' if report.ok else failures}, in {report.wall_s:.1f} s"


def describe_deviation(deviation: float | None, tolerance: float) -> str:
    """Describe a deviation within its tolerance."""
    return f"deviates by {deviation:.1g}, allowed {tolerance:g}" if deviation else "as stored"
