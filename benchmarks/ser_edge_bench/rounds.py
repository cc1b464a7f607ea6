"""All that is measured, in turns within one process; a job for `ser_edge_bench.child.watch`.

A round does each call once, in an order of its own, and the calibration kernel ahead of each. The
machine's pace changes within seconds: what is compared has to be done within milliseconds.

Where arrays lie in memory, by chance the same throughout a process, made a third of the features'
time (Mytkowicz et al. 2009, *Producing wrong data without doing anything obviously wrong*). So they
are laid out anew 20 times.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge.bundle import Bundle
from ser_edge_bench.kernel import Kernel
from ser_edge_bench.pipeline import Pipeline, Stages
from ser_edge_bench.plan import Plan
from ser_edge_bench.statistics import BLOCKS
from ser_edge_bench.stopwatch import Stopwatch
from ser_edge_bench.variant import variants

_TOLD_S = 0.25
_LEAST_ROUNDS = 5  # in one layout
_PADS, _PAD_BYTES = 16, 1 << 15  # below what the allocator would map by itself


def rounds(folder: str, clip: str, plan: str, seed: str, *names: str) -> Iterator[dict[str, Any]]:
    """Warm up, and measure.

    Parameters
    ----------
    folder : str
        The bundle.
    clip : str
        Path of the recording.
    plan : str
        A `Plan`, as JSON.
    seed : str
        Of the order of the calls; a whole number.
    *names : str
        Of the variants.

    Yields
    ------
    found : dict
        On the way ``progress``, the share of the work; at the end ``wall_ms`` and ``own_ms`` of
        each call by name (lists of one entry a round; the kernel's is the median of the round),
        and ``waiting``, whether the two can differ.
    """
    settings, bundle = Plan(**json.loads(plan)), Bundle.open(folder)
    content = Path(clip).read_bytes()
    by_name = {variant.name: variant for variant in variants(bundle)}
    pipelines = {}
    for name in names:
        yield {"stage": "open", "variant": name}
        variant = by_name[name]
        pipelines[name] = Pipeline(bundle, variant.backend, variant.model, settings.threads)
    yield {"stage": "run", "progress": 0.0}
    turns = _Turns(bundle, content, pipelines, int(seed))
    for done in turns.until(settings.warmup_runs, settings.warmup_s):
        yield {"progress": 0.2 * done}
    turns.forget()
    for done in turns.until(settings.runs, settings.seconds):
        yield {"progress": 0.2 + 0.8 * done}
    yield turns.result()


class _Turns:
    def __init__(
        self, bundle: Bundle, content: bytes, pipelines: dict[str, Pipeline], seed: int
    ) -> None:
        self._bundle, self._content, self._pipelines = bundle, content, pipelines
        self._watch, self._random = Stopwatch(), np.random.default_rng(seed)
        self.forget()

    def forget(self) -> None:
        """Begin to count."""
        self._wall: defaultdict[str, list[float]] = defaultdict(list)
        self._own: defaultdict[str, list[float]] = defaultdict(list)

    def until(self, runs: int, seconds: float) -> Iterator[float]:
        """Do so many rounds, and more until each variant has run end to end for so long.

        Yields how much of that is done, in [0, 1].
        """
        told, number, every = perf_counter(), 0, max(_LEAST_ROUNDS, runs // BLOCKS)
        totals_s = {f"{name}:end_to_end": 0.0 for name in self._pipelines}
        while True:
            by_time = min(totals_s.values()) / seconds if seconds else 1.0
            done = min(number / runs if runs else 1.0, by_time, 1.0)
            if done == 1:
                return
            if number % every == 0:
                self._lay_out()
            self._round()
            number += 1
            for name in totals_s:
                totals_s[name] += self._wall[name][-1]
            if perf_counter() - told > _TOLD_S:
                yield done
                told = perf_counter()

    def result(self) -> dict[str, Any]:
        names = ("kernel", *self._calls)
        return {
            "wall_ms": {name: _milliseconds(self._wall[name]) for name in names},
            "own_ms": {name: _milliseconds(self._own[name]) for name in names},
            "waiting": self._watch.counts_waiting,
        }

    def _lay_out(self) -> None:
        """Make all but the opened files anew, elsewhere in memory, and call each once."""
        sizes = self._random.integers(1, _PAD_BYTES, size=_PADS)
        self._pads = [np.ones(size, np.uint8) for size in sizes.tolist()]
        self._kernel, self._calls = Kernel(), self._made_anew()
        self._kernel()
        for call in self._calls.values():
            call()

    def _made_anew(self) -> dict[str, Callable[[], object]]:
        content, stages = bytes(bytearray(self._content)), Stages(self._bundle)
        samples = stages.resample(*stages.decode(content))
        calls = stages.calls(content)
        for name, pipeline in self._pipelines.items():
            again = pipeline.again()
            calls |= _calls(name, again, content, again.network_inputs(samples))
        return calls

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


def _calls(
    name: str, pipeline: Pipeline, content: bytes, inputs: NDArray[np.float32]
) -> dict[str, Callable[[], object]]:
    return {
        f"{name}:network": lambda: pipeline.network(inputs),
        f"{name}:end_to_end": lambda: pipeline.predict(content),
    }


def _milliseconds(times_s: list[float]) -> list[float]:
    return [round(1e3 * time_s, 5) for time_s in times_s]
