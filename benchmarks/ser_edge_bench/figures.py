"""The figures of a variant: their names in JSON and budgets, and how they follow from the times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge.bundle import Bundle
from ser_edge.verify.verify_report import ModelCheck
from ser_edge_bench.statistics import PERCENTILES, block_medians, percentiles
from ser_edge_bench.variant import BenchVariant

SHARED_STAGES = ("decode", "resample", "features")
"""Stages that do not depend on the variant."""

OWN_STAGES = ("network", "end_to_end")
STAGES = (*SHARED_STAGES, *OWN_STAGES)
STARTS = ("import", "ready", "first_call")
"""Times of a fresh process: until the imports are done; until the model is open; the first call."""

UNITS = ("ms", "kernels")

NAMES = (
    *(f"{stage}.p{q}_{unit}" for stage in STAGES for q in PERCENTILES for unit in UNITS),
    *(f"{start}_{unit}" for start in STARTS for unit in UNITS),
    *("throughput_per_s", "real_time_factor", "memory_mb", "peak_mb", "size_kb", "deviation"),
)
"""All metrics; ``docs/benchmarking.md`` explains them."""

Reports = Sequence[dict[str, Any]]
"""The last report of each process; see `ser_edge_bench.jobs`."""

# Shorter differences between the two clocks are their own error.
_INTERRUPTED_MS = 0.05


@dataclass(frozen=True)
class VariantFigures:
    """The figures of a variant."""

    name: str
    backend: str
    file: str
    precision: str
    input_kind: str
    metrics: dict[str, float | None]  # by `NAMES`; None where a variant has no such figure
    golden: str  # the state of its `ModelCheck`; "unknown" without golden clips
    golden_detail: str  # why it does not agree
    golden_remedy: str  # what to do about that
    uar: float | None  # on the test speakers, if the manifest has it


def interrupted_share(processes: Reports) -> float | None:
    """Return the share of calls that had to wait for the CPU; None where that is not counted."""
    if not all(process["waiting"] for process in processes):
        return None
    waited = [
        np.subtract(process["wall_ms"][call], process["own_ms"][call])
        for process in processes
        for call in process["wall_ms"]
        if call != "kernel"
    ]
    return round(float(np.mean(np.concatenate(waited) > _INTERRUPTED_MS)), 4)


def times_of(processes: Reports) -> dict[str, list[list[float]]]:
    """Return each process's times [ms] of the kernel and the calls that every process made."""
    calls = [c for c in processes[0]["wall_ms"] if all(c in p["wall_ms"] for p in processes)]
    return {call: [process["wall_ms"][call] for process in processes] for call in calls}


def blocks_of(processes: Reports) -> dict[str, list[list[float]]]:
    """Return each process's block medians of these calls [kernels]."""
    return {
        call: [[round(v, 5) for v in block_medians(_kernels(p, call))] for p in processes]
        for call in times_of(processes)
        if call != "kernel"
    }


def figures_of(
    bundle: Bundle,
    variant: BenchVariant,
    clip_s: float,
    processes: Reports,
    starts: Reports,
    check: ModelCheck | None,
) -> VariantFigures:
    """Compute a variant's figures from the reports of the jobs `rounds` and `start`."""
    metrics: dict[str, float | None] = dict.fromkeys(NAMES)
    for stage in STAGES:
        if stage == "features" and variant.model.input_kind == "audio":  # part of its network
            continue
        call = stage if stage in SHARED_STAGES else f"{variant.name}:{stage}"
        wall_ms = [process["wall_ms"][call] for process in processes]
        kernels = [_kernels(process, call) for process in processes]
        for unit, times in (("ms", wall_ms), ("kernels", kernels)):
            for percentile, value in percentiles(times).items():
                metrics[f"{stage}.p{percentile}_{unit}"] = value
    for name in STARTS:
        metrics[f"{name}_ms"] = float(np.median([p["wall_ms"][name] for p in starts]))
        metrics[f"{name}_kernels"] = float(np.median([_kernels(p, name) for p in starts]))
    total_ms = [np.mean(p["wall_ms"][f"{variant.name}:end_to_end"]) for p in processes]
    metrics["throughput_per_s"] = float(np.median(1e3 / np.array(total_ms)))
    metrics["real_time_factor"] = (metrics["end_to_end.p50_ms"] or 0) / 1e3 / clip_s
    for name, key in (("memory_mb", "memory_bytes"), ("peak_mb", "peak_bytes")):
        sizes = [process[key] for process in starts if process[key] is not None]
        metrics[name] = float(np.median(sizes)) / 1e6 if sizes else None
    metrics["size_kb"] = variant.model.size_bytes / 1e3
    metrics["deviation"] = check.deviation if check else None
    model = variant.model
    return VariantFigures(
        name=variant.name,
        backend=variant.backend,
        file=model.file,
        precision=model.precision,
        input_kind=model.input_kind,
        metrics={n: None if v is None else float(f"{v:.6g}") for n, v in metrics.items()},
        golden=check.state if check else "unknown",
        golden_detail=check.detail if check else "",
        golden_remedy=check.remedy if check else "",
        uar=manifest_uar(bundle.manifest.about, variant),
    )


def manifest_uar(about: dict[str, Any], variant: BenchVariant) -> float | None:
    """Return a variant's UAR; a foreign manifest may lack it, or have other entries."""
    try:
        for entry in about["variants"]:
            if (entry["backend"], entry["file"]) == (variant.backend, variant.model.file):
                return float(about["metrics"]["all"]["uar"] + entry["uar_change"])
    except (AttributeError, KeyError, TypeError):
        pass
    return None


def _kernels(process: dict[str, Any], call: str) -> NDArray[np.float64]:
    """Divide a call's times by the kernel's of the same rounds."""
    return np.asarray(np.divide(process["own_ms"][call], process["own_ms"]["kernel"]))
