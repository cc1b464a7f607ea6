"""The names of what is measured of a variant, as JSON and budgets spell them."""

from __future__ import annotations

SHARED_STAGES = ("decode", "resample", "features")
"""Stages that are the same whatever runs the network."""

OWN_STAGES = ("network", "end_to_end")
"""Stages of one model file in one interpreter."""

STAGES = (*SHARED_STAGES, *OWN_STAGES)
PERCENTILES = (50, 90, 95, 99)
STARTS = ("import", "ready", "first_call")
"""What a fresh process has done: imported all, opened the model; and its first answer alone."""

UNITS = ("ms", "kernels")
"""Milliseconds, or times of the calibration kernel (`ser_edge_bench.kernel`)."""

NAMES = (
    *(f"{stage}.p{q}_{unit}" for stage in STAGES for q in PERCENTILES for unit in UNITS),
    *(f"{start}_{unit}" for start in STARTS for unit in UNITS),
    *("throughput_per_s", "real_time_factor", "memory_mb", "peak_mb", "size_kb", "deviation"),
)
"""All of them; ``docs/benchmarking.md`` says what each is."""

KNOWN = (
    f"STAGE.pNN_ms or STAGE.pNN_kernels (stages {', '.join(STAGES)}; percentiles "
    f"{', '.join(map(str, PERCENTILES))}), {', '.join(f'{start}_ms' for start in STARTS)} (or "
    "_kernels), throughput_per_s, real_time_factor, memory_mb, peak_mb, size_kb, deviation"
)
"""The same in one sentence."""
