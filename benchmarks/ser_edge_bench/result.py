"""What a run of ``ser-edge bench`` has found; ``docs/benchmarking.md`` has its JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from ser_edge.doctor.machine import Machine
from ser_edge_bench.conditions import Conditions
from ser_edge_bench.plan import Plan

SCHEMA = "ser-edge-bench"
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class VariantResult:
    """What was measured of one model file in one interpreter.

    Parameters
    ----------
    name, backend, file, precision, takes : str
        See `ser_edge_bench.variant.Variant`.
    metrics : dict of str to float or None
        By the names of `ser_edge_bench.metrics.NAMES`; None where there is no such thing.
    golden : str
        ``"agrees"`` or ``"deviates"``, as ``ser-edge verify`` has it; ``"unknown"`` without golden
        clips.
    golden_detail : str
        Why it does not agree.
    uar : float or None
        Its unweighted average recall on the test speakers, where the manifest tells it.
    """

    name: str
    backend: str
    file: str
    precision: str
    input_kind: str
    metrics: dict[str, float | None]
    golden: str
    golden_detail: str
    uar: float | None


@dataclass(frozen=True)
class Failure:
    """A model file that an interpreter which is installed does not run.

    Parameters
    ----------
    name, backend, file : str
        See `ser_edge_bench.variant.Variant`.
    reason : str
        Why, and what to do.
    """

    name: str
    backend: str
    file: str
    reason: str


@dataclass(frozen=True)
class Setting:
    """What was measured where and with what: all that two runs must share to be compared.

    Parameters
    ----------
    bundle : dict
        ``folder``, ``name``, and ``digest``, the sha256 of its manifest, which has those of all
        files.
    clip : dict
        ``name``, ``rate``, ``seconds``, ``windows``.
    machine : Machine
        What it is.
    versions : dict of str to str
        Of ser-edge, NumPy and the interpreters, by distribution.
    plan : Plan
        How much was measured.
    """

    bundle: dict[str, Any]
    clip: dict[str, Any]
    machine: Machine
    versions: dict[str, str]
    plan: Plan


@dataclass(frozen=True)
class Result:
    """All of a run.

    Parameters
    ----------
    date : str
        When it began, in UTC, ISO 8601.
    setting : Setting
        What was measured where.
    blas : str or None
        What NumPy multiplies matrices with.
    cpus : tuple of int
        Where the processes were kept; empty where they could run anywhere.
    before, after : Conditions
        The state of the machine.
    kernel_ms : float
        What the calibration kernel took, the median [ms].
    interrupted : float or None
        Share of the calls during which the system gave the CPU to something else for a while; None
        where it does not tell.
    default : str
        The variant that ``ser-edge predict`` takes.
    variants : tuple of VariantResult
        What was measured.
    failures : tuple of Failure
        What could not be.
    not_tried : dict of str to str
        The other interpreters, and why.
    blocks : dict of str to list of list of float
        By call (``"features"``, ``"int8.litert:network"``), for each process the medians of
        stretches of its rounds, in kernels: what another run is compared with.
    times_ms : dict of str to list of list of float
        Each process's single times, by call; not in the JSON.
    """

    date: str
    setting: Setting
    blas: str | None
    cpus: tuple[int, ...]
    before: Conditions
    after: Conditions
    kernel_ms: float
    interrupted: float | None
    default: str
    variants: tuple[VariantResult, ...]
    failures: tuple[Failure, ...]
    not_tried: dict[str, str]
    blocks: dict[str, list[list[float]]] = field(repr=False)
    times_ms: dict[str, list[list[float]]] = field(repr=False)

    def variant(self, name: str) -> VariantResult | None:
        """Return what was measured of a variant, if it was."""
        return next((variant for variant in self.variants if variant.name == name), None)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON types."""
        content = asdict(self)
        del content["times_ms"]
        setting = content.pop("setting")
        return {"schema": SCHEMA, "version": SCHEMA_VERSION, **setting, **content}
