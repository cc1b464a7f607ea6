"""Made-up results of `ser-edge bench`, for tests of what is computed from them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ser_edge.doctor.machine import Machine
from ser_edge_bench.figures import NAMES, OWN_STAGES, SHARED_STAGES, VariantFigures
from ser_edge_bench.plan import Plan
from ser_edge_bench.result import BenchResult, Failure, Setting
from ser_edge_bench.system import Conditions

MACHINE = Machine(
    python="CPython 3.12.1",
    system="Linux",
    machine="aarch64",
    libc="glibc 2.36",
    cpu="Raspberry Pi 4 Model B Rev 1.1",
    cpu_features={"neon": True},
    cores=4,
    memory_bytes=1 << 32,
    available_bytes=1 << 31,
    threads={},
)
STATE = Conditions("ondemand", 1800.0, 61.2, (), 0.4)


def variant(name: str, **changes: Any) -> VariantFigures:
    precision, backend = name.split(".")
    file = "model.float32.npz" if backend == "numeric" else f"model.{precision}.tflite"
    metrics: dict[str, float | None] = {
        metric: float(number) for number, metric in enumerate(NAMES, 1)
    }
    made = VariantFigures(
        name, backend, file, precision, "features", metrics, "agrees", "", "", 0.61
    )
    return replace(made, **changes)


def result(*names: str, kernels: float = 10.0, **changes: Any) -> BenchResult:
    """Make a run of these variants in which every call takes `kernels` kernels."""
    names = names or ("int8.litert", "float32.numeric")
    calls = [*SHARED_STAGES, *(f"{name}:{stage}" for name in names for stage in OWN_STAGES)]
    made = BenchResult(
        date="2024-06-07T12:00:00+00:00",
        setting=Setting(
            bundle={"folder": "bundle", "name": "pretrained", "digest": "0123456789abcdef" * 4},
            clip={"name": "golden clip 1", "sample_rate": 48000, "seconds": 3.0, "windows": 1},
            machine=MACHINE,
            versions={"ser-edge": "0.1.0", "numpy": "2.1.0"},
            plan=Plan(),
        ),
        blas="scipy-openblas 0.3.28",
        cpus=(3,),
        before=STATE,
        after=STATE,
        kernel_ms=2.5,
        interrupted=0.0,
        default=names[0],
        variants=tuple(variant(name) for name in names),
        failures=(Failure("int8.tflite", "tflite", "model.int8.tflite", "no op", "export again"),),
        not_tried={"onnx": "not installed; pip install 'ser-edge[onnx]'"},
        blocks={call: [[kernels] * 20] * 3 for call in calls},
        times_ms={call: [[1.0, 2.0, 4.0]] * 3 for call in ("kernel", *calls)},
    )
    return replace(made, **changes)
