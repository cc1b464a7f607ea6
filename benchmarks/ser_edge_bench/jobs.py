"""What the measured processes do: jobs for `ser_edge.isolated.run_isolated`.

`start` measures a fresh process, `rounds` the calls. In a round each call is made once, in random
order, and the calibration kernel before each. A machine's speed changes within seconds, so calls
that are compared have to lie within milliseconds.

Where arrays lie in memory, constant within a process, changed the features' time by a third
(Mytkowicz et al. 2009, *Producing wrong data without doing anything obviously wrong*). So all
arrays are allocated anew 20 times.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from ser_edge.bundle import Bundle
from ser_edge.isolated import child
from ser_edge_bench.plan import Plan
from ser_edge_bench.statistics import BLOCKS
from ser_edge_bench.system import peak_bytes, reset_peak, resident_bytes
from ser_edge_bench.timing import Kernel, Stopwatch
from ser_edge_bench.variant import Pipeline, bench_variants

_KERNELS = 20  # runs of the kernel in `start`; the median counts
_REPORT_S = 0.25  # time between reports
_MIN_ROUNDS = 5  # of one memory layout; set by hand
_PADS, _PAD_BYTES = (
    16,
    1 << 15,
)  # set by hand; smaller than what malloc maps separately


def start(folder: str, variant: str, clip: str, threads: str) -> Iterator[dict[str, Any]]:
    """Open a variant and classify a recording once.

    The interpreter is imported before this module, whose imports are those of ``ser-edge predict``.
    The last report has ``wall_ms`` and, without waiting for the CPU, ``own_ms``, by the names of
    `ser_edge_bench.figures.STARTS`, and ``memory_bytes``, the peak above what was used after the
    imports, and ``peak_bytes``.
    """
    import_s = perf_counter() - child.started_s
    watch = Stopwatch()
    imported = import_s, import_s - watch.waited_s()
    yield {"stage": "open"}
    content = Path(clip).read_bytes()
    pipelines: list[Pipeline] = []
    reset_peak()
    resident = resident_bytes()
    opened = watch.time(lambda: pipelines.extend(_opened(folder, int(threads), variant).values()))
    yield {"stage": "run"}
    called = watch.time(lambda: pipelines[0].predict(content))
    peak, kernel = peak_bytes(), Kernel()
    wall_ms, own_ms = (
        {
            "import": 1e3 * imported[clock],
            "ready": 1e3 * (imported[clock] + opened[clock]),
            "first_call": 1e3 * called[clock],
        }
        for clock in range(2)
    )
    own_ms["kernel"] = 1e3 * median(watch.time(kernel)[1] for _ in range(_KERNELS))
    yield {
        "wall_ms": wall_ms,
        "own_ms": own_ms,
        "memory_bytes": None if resident is None or peak is None else max(0, peak - resident),
        "peak_bytes": peak,
    }


def rounds(
    folder: str, clip: str, plan_json: str, seed: str, *variants: str
) -> Iterator[dict[str, Any]]:
    """Warm up and measure.

    Reports ``progress`` in [0, 1]. The last report has ``wall_ms`` and ``own_ms`` by call, lists
    with one entry a round (the kernel's is the round's median), and ``waiting``, whether the system
    counts waiting.
    """
    plan = Plan(**json.loads(plan_json))
    yield {"stage": "open"}
    pipelines = _opened(folder, plan.threads, *variants)
    yield {"stage": "run", "progress": 0.0}
    done = Rounds(Path(clip).read_bytes(), pipelines, int(seed))
    for share in done.until(plan.warmup_runs, plan.warmup_s):
        yield {"progress": 0.2 * share}
    done.clear()
    for share in done.until(plan.runs, plan.seconds):
        yield {"progress": 0.2 + 0.8 * share}
    yield done.result()


def _opened(folder: str, threads: int, *names: str) -> dict[str, Pipeline]:
    bundle = Bundle.open(folder)
    by_name = {variant.name: variant for variant in bench_variants(bundle)}
    return {name: Pipeline(bundle, by_name[name], threads) for name in names}


class Rounds:
    """Rounds of all calls, and their times."""

    def __init__(self, content: bytes, pipelines: dict[str, Pipeline], seed: int) -> None:
        self._content, self._pipelines = content, pipelines
        self._calls: dict[str, Callable[[], object]] = {}
        self._watch, self._random = Stopwatch(), np.random.default_rng(seed)
        self.clear()

    def clear(self) -> None:
        self._wall: defaultdict[str, list[float]] = defaultdict(list)
        self._own: defaultdict[str, list[float]] = defaultdict(list)

    def until(self, runs: int, seconds: float) -> Iterator[float]:
        """Do ``runs`` rounds, and more until each variant has run end to end for ``seconds``.

        Yields the share that is done, in [0, 1].
        """
        reported_s, number, every = perf_counter(), 0, max(_MIN_ROUNDS, runs // BLOCKS)
        totals_s = {f"{name}:end_to_end": 0.0 for name in self._pipelines}
        while True:
            by_time = min(totals_s.values()) / seconds if seconds else 1.0
            share = min(number / runs if runs else 1.0, by_time, 1.0)
            if share == 1:
                return
            if number % every == 0:
                self._allocate()
            self._round()
            number += 1
            for name in totals_s:
                totals_s[name] += self._wall[name][-1]
            if perf_counter() - reported_s > _REPORT_S:
                yield share
                reported_s = perf_counter()

    def result(self) -> dict[str, Any]:
        """Return the last report of `rounds`."""
        calls = [call for call in ("kernel", *self._calls) if call in self._wall]
        report: dict[str, Any] = {"waiting": self._watch.counts_waiting}
        for clock, times_s in (("wall_ms", self._wall), ("own_ms", self._own)):
            report[clock] = {call: [round(1e3 * s, 5) for s in times_s[call]] for call in calls}
        return report

    def _allocate(self) -> None:
        """Reallocate everything except the opened files; call each once."""
        sizes = self._random.integers(1, _PAD_BYTES, size=_PADS)
        self._pads = [np.ones(size, np.uint8) for size in sizes.tolist()]
        content = bytes(bytearray(self._content))
        self._kernel = Kernel()
        self._calls = {}
        for pipeline in self._pipelines.values():
            self._calls |= pipeline.renewed().calls(content)
        self._kernel()
        for call in self._calls.values():
            call()

    def _round(self) -> None:
        kernels = []
        names = list(self._calls)
        for number in self._random.permutation(len(names)):
            name = names[number]
            kernels.append(self._watch.time(self._kernel))
            wall_s, own_s = self._watch.time(self._calls[name])
            self._wall[name].append(wall_s)
            self._own[name].append(own_s)
        wall_s, own_s = np.median(kernels, axis=0)
        self._wall["kernel"].append(float(wall_s))
        self._own["kernel"].append(float(own_s))
