"""What a fresh process takes from its start to its first answer, in time and memory.

A job for `ser_edge_bench.child.watch`, which imports the interpreter ahead of this module: what is
imported below is what ``ser-edge predict`` needs.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from ser_edge.bundle import Bundle
from ser_edge_bench.kernel import Kernel
from ser_edge_bench.memory import forget_peak, held_bytes, peak_bytes
from ser_edge_bench.pipeline import Pipeline
from ser_edge_bench.stopwatch import Stopwatch

_KERNELS = 20


def start(
    folder: str, backend: str, file: str, clip: str, threads: str, started: str
) -> Iterator[dict[str, Any]]:
    """Open a model file and hear a recording once.

    Parameters
    ----------
    folder, backend, file : str
        Bundle, interpreter and model file.
    clip : str
        Path of the recording.
    threads : str
        A whole number.
    started : str
        When the process was started, by ``time.perf_counter``, which is one clock for all.

    Yields
    ------
    found : dict
        At the end ``wall_ms`` and, without waiting for the CPU, ``own_ms``, by the names of
        `ser_edge_bench.metrics.STARTS`, the latter with the ``kernel``; and ``memory_bytes`` above
        what was held after the imports and ``peak_bytes`` in all.
    """
    import_s = perf_counter() - float(started)
    watch = Stopwatch()
    imported = import_s, import_s - watch.waited_s()
    yield {"stage": "open"}
    content = Path(clip).read_bytes()
    pipelines: list[Pipeline] = []
    forget_peak()
    held = held_bytes()
    opened = watch.time(lambda: pipelines.append(_open(folder, backend, file, int(threads))))
    yield {"stage": "run"}
    called = watch.time(lambda: pipelines[0].predict(content))
    peak, kernel = peak_bytes(), Kernel()
    kernel_s = median(watch.time(kernel)[1] for _ in range(_KERNELS))
    wall_ms, own_ms = (
        {
            "import": 1e3 * imported[clock],
            "ready": 1e3 * (imported[clock] + opened[clock]),
            "first_call": 1e3 * called[clock],
        }
        for clock in range(2)
    )
    yield {
        "wall_ms": wall_ms,
        "own_ms": own_ms | {"kernel": 1e3 * kernel_s},
        "memory_bytes": None if held is None or peak is None else max(0, peak - held),
        "peak_bytes": peak,
    }


def _open(folder: str, backend: str, file: str, threads: int) -> Pipeline:
    bundle = Bundle.open(folder)
    model = next(model for model in bundle.manifest.models if model.file == file)
    return Pipeline(bundle, backend, model, threads)
