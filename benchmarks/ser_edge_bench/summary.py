"""The figures of a variant, from what the processes have told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge.bundle import Bundle
from ser_edge.verify.checks import ModelCheck
from ser_edge_bench.bench_clip import BenchClip
from ser_edge_bench.metrics import NAMES, SHARED_STAGES, STAGES, STARTS
from ser_edge_bench.result import VariantResult
from ser_edge_bench.statistics import block_medians, median_of, percentiles
from ser_edge_bench.variant import Variant

Found = Sequence[dict[str, Any]]

# Below, the clocks' own error would pass for an interruption.
_INTERRUPTED_MS = 0.05


def kernel_ms(found: Found) -> float:
    """Return what the calibration kernel took, the median [ms]."""
    return round(percentiles([process["own_ms"]["kernel"] for process in found])[50], 5)


def interrupted_share(found: Found) -> float | None:
    """Return how many of the calls were interrupted, in [0, 1]; None where nobody counts."""
    if not all(process["waiting"] for process in found):
        return None
    waited = [
        np.subtract(process["wall_ms"][call], process["own_ms"][call])
        for process in found
        for call in process["wall_ms"]
        if call != "kernel"
    ]
    return round(float(np.mean(np.concatenate(waited) > _INTERRUPTED_MS)), 4)


def times_of(found: Found) -> dict[str, list[list[float]]]:
    """Return the times of each call that every process did, and of the kernel; see `Result`."""
    calls = [call for call in found[0]["wall_ms"] if all(call in p["wall_ms"] for p in found)]
    return {call: [process["wall_ms"][call] for process in found] for call in calls}


def blocks_of(found: Found) -> dict[str, list[list[float]]]:
    """Return medians of stretches of these calls' rounds, in kernels; see `Result`."""
    return {
        call: [[round(v, 5) for v in block_medians(_kernels(process, call))] for process in found]
        for call in times_of(found)
        if call != "kernel"
    }


def summarised(
    bundle: Bundle,
    variant: Variant,
    clip: BenchClip,
    found: Found,
    starts: Found,
    check: ModelCheck | None,
) -> VariantResult:
    """Put a variant's figures together.

    Parameters
    ----------
    bundle : Bundle
        The exported folder.
    variant : Variant
        Which.
    clip : BenchClip
        What it heard.
    found : sequence of dict
        What `ser_edge_bench.rounds.rounds` told in each process.
    starts : sequence of dict
        What `ser_edge_bench.start.start` told in each process.
    check : ModelCheck or None
        How it answered to the golden clips, if there are any.

    Returns
    -------
    result : VariantResult
    """
    metrics: dict[str, float | None] = dict.fromkeys(NAMES)
    for stage in STAGES:
        if stage == "features" and variant.model.input_kind == "audio":  # which are in the network
            continue
        call = stage if stage in SHARED_STAGES else f"{variant.name}:{stage}"
        for unit, times in (
            ("ms", [process["wall_ms"][call] for process in found]),
            ("kernels", [_kernels(process, call) for process in found]),
        ):
            for percentile, value in percentiles(times).items():
                metrics[f"{stage}.p{percentile}_{unit}"] = value
    for name in STARTS:
        metrics[f"{name}_ms"] = median_of([process["wall_ms"][name] for process in starts])
        metrics[f"{name}_kernels"] = median_of([float(_kernels(p, name)) for p in starts])
    call = f"{variant.name}:end_to_end"
    each = [1e3 / float(np.mean(process["wall_ms"][call])) for process in found]
    metrics["throughput_per_s"] = median_of(each)
    metrics["real_time_factor"] = (metrics["end_to_end.p50_ms"] or 0) / 1e3 / clip.seconds
    for name, key in (("memory_mb", "memory_bytes"), ("peak_mb", "peak_bytes")):
        held = [process[key] for process in starts if process[key] is not None]
        metrics[name] = median_of(held) / 1e6 if held else None
    metrics["size_kb"] = variant.model.size_bytes / 1e3
    metrics["deviation"] = check.deviation if check else None
    return VariantResult(
        name=variant.name,
        backend=variant.backend,
        file=variant.model.file,
        precision=variant.model.precision,
        input_kind=variant.model.input_kind,
        metrics={name: _rounded(value) for name, value in metrics.items()},
        golden=check.state if check else "unknown",
        golden_detail=check.detail if check else "",
        uar=_uar(bundle.manifest.about, variant),
    )


def _kernels(process: dict[str, Any], call: str) -> NDArray[np.float64]:
    """Divide the times of a call by the kernel's of the same rounds."""
    return np.asarray(np.divide(process["own_ms"][call], process["own_ms"]["kernel"]))


def _uar(about: dict[str, Any], variant: Variant) -> float | None:
    """Return the accuracy of a form; a manifest need not tell it, or not in this way."""
    try:
        for form in about["forms"]:
            if (form["backend"], form["file"]) == (variant.backend, variant.model.file):
                return float(about["metrics"]["all"]["uar"] + form["uar_change"])
    except (AttributeError, KeyError, TypeError):
        pass
    return None


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")
