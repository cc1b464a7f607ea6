"""What ``ser-edge verify`` tells, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Parameters
    ----------
    name : str
        ``"manifest"``, ``"files"``, ``"golden"``, ``"features"``, ``"inputs"``,
        ``"probabilities"`` or ``"interpreters"``.
    ok : bool
        Whether it is as it should be.
    detail : str
        What was found; where it is not ok, what was expected and what to do.
    """

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True)
class ModelCheck:
    """A model file in one interpreter, on the golden clips.

    Parameters
    ----------
    backend, file, precision : str
        The interpreter, and the file that it ran.
    state : str
        ``"agrees"``; ``"deviates"``; ``"fails"`` (an error), ``"dies"`` (it ends Python) or
        ``"hangs"``.
    deviation : float or None
        Largest difference of a window's probability from the stored one; None where it gave none.
    tolerance : float
        How much it may be.
    detail : str
        Why it does not agree, and what to do; empty where it does.
    """

    backend: str
    file: str
    precision: str
    state: str
    deviation: float | None
    tolerance: float
    detail: str = ""

    @property
    def ok(self) -> bool:
        """Whether it agrees."""
        return self.state == "agrees"


@dataclass(frozen=True)
class Report:
    """All that was found; ``ser-edge verify --json`` prints these fields by name, and ``ok``.

    Parameters
    ----------
    bundle : str
        The folder given.
    checks : tuple of Check
        In the order in which they were made; one that needs another that failed is left out.
    models : tuple of ModelCheck
        Each model file in each interpreter that is installed and reads it.
    not_tried : dict of str to str
        The other interpreters, and why; not a failure.
    wall_s : float
        What it took [s].
    """

    bundle: str
    checks: tuple[Check, ...]
    models: tuple[ModelCheck, ...]
    not_tried: dict[str, str]
    wall_s: float

    @property
    def failures(self) -> int:
        """How many checks failed."""
        return sum(not check.ok for check in self.checks) + sum(not m.ok for m in self.models)

    @property
    def ok(self) -> bool:
        """Whether all is well."""
        return self.failures == 0

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return {**asdict(self), "ok": self.ok}

    def __str__(self) -> str:
        return "\n".join(f"{name:<14} {value}".rstrip() for name, value in _rows(self))


def _rows(report: Report) -> Iterator[tuple[str, str]]:
    yield "bundle", report.bundle
    for check in report.checks:
        yield check.name, f"{'ok' if check.ok else 'fails':<9} {check.detail}"
    yield "", ""
    width = max((len(model.file) for model in report.models), default=0)
    shown = ""
    for model in report.models:
        state = "ok" if model.ok else model.state
        said = model.detail or within(model.deviation, model.tolerance)
        name = "" if model.backend == shown else model.backend
        yield name, f"{state:<9} {model.file:<{width}}  {said}"
        shown = model.backend
    for name, why in report.not_tried.items():
        yield name, f"not tried {why}"
    if report.models or report.not_tried:
        yield "", ""
    failures = "1 check fails" if report.failures == 1 else f"{report.failures} checks fail"
    yield "all", f"{'ok' if report.ok else failures}, in {report.wall_s:.1f} s"


def within(deviation: float | None, tolerance: float) -> str:
    """Say how far something is from what is stored, and how far it may be."""
    return f"off by {deviation:.1g}, allowed {tolerance:g}" if deviation else "as stored"
