"""The result of ``ser-edge bench``; ``docs/benchmarking.md`` describes its JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from ser_edge.doctor.machine import Machine
from ser_edge_bench.figures import VariantFigures
from ser_edge_bench.plan import Plan
from ser_edge_bench.system import Conditions

FORMAT = "ser-edge-bench"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class Failure:
    """A variant that its installed interpreter cannot run."""

    name: str
    backend: str
    file: str
    problem: str
    remedy: str


@dataclass(frozen=True)
class Setting:
    """What is measured, where and how."""

    bundle: dict[str, Any]  # folder, name and digest (sha256 of the manifest)
    clip: dict[str, Any]  # name, sample_rate, seconds and windows
    machine: Machine
    versions: dict[str, str]  # of ser-edge, NumPy and the interpreters, by distribution
    plan: Plan


@dataclass(frozen=True)
class BenchResult:
    """The result of a run; the JSON's table in ``docs/benchmarking.md`` explains the fields."""

    date: str
    setting: Setting
    blas: str | None
    cpus: tuple[int, ...]
    before: Conditions
    after: Conditions
    kernel_ms: float
    interrupted: float | None
    default: str
    variants: tuple[VariantFigures, ...]
    failures: tuple[Failure, ...]
    not_tried: dict[str, str]
    blocks: dict[str, list[list[float]]] = field(repr=False)
    times_ms: dict[str, list[list[float]]] = field(repr=False)  # single times; not in the JSON

    def to_dict(self) -> dict[str, Any]:
        content = asdict(self)
        del content["times_ms"]
        setting = content.pop("setting")
        return {"format": FORMAT, "format_version": FORMAT_VERSION, **setting, **content}
