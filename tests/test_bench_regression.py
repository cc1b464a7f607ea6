"""A planted slowdown is found, and twenty runs of the same build are not called slower.

All processes are measured here, however busy the machine is. Twenty runs are the ways to choose
three of six processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from measured import result

from ser_edge import Bundle
from ser_edge_bench import measurement
from ser_edge_bench.baseline import Baseline, Comparison, compare
from ser_edge_bench.clip import golden_clip
from ser_edge_bench.figures import blocks_of
from ser_edge_bench.plan import Plan
from ser_edge_bench.result import BenchResult
from ser_edge_bench.system import choose_cpus

NUMERIC = "float32.numeric"
PLAN = Plan(warmup_runs=0, warmup_s=0, runs=40, seconds=0)

# Each window's features are computed once, and half of them again.
PLANTED = """
from ser_edge_bench import jobs
from ser_edge.features.extractor import FeatureExtractor

once = FeatureExtractor.__call__

def one_and_a_half_times(self, samples):
    once(self, samples[: len(samples) // 2])
    return once(self, samples)

def rounds(*words):
    FeatureExtractor.__call__ = one_and_a_half_times
    yield from jobs.rounds(*words)
"""

Measure = Callable[[range], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def measure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Measure]:
    """Measure processes with these seeds."""
    from conftest import BUNDLE

    bundle = Bundle.open(BUNDLE)
    folder = tmp_path_factory.mktemp("regression")
    clip = folder / "clip"
    clip.write_bytes(golden_clip(bundle).content)
    (folder / "planted.py").write_text(PLANTED)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        processes = measurement.Processes(bundle, clip, PLAN, choose_cpus(1))
        yield lambda seeds: [processes.rounds([NUMERIC], seed) for seed in seeds]


def run_of(processes: Sequence[dict[str, Any]]) -> BenchResult:
    return replace(result(NUMERIC), blocks=blocks_of(processes))


@pytest.fixture(scope="module")
def baseline(measure: Measure) -> Baseline:
    run = run_of(measure(range(3)))
    return Baseline("old.json", run.to_dict(), run.blocks)


def compared(baseline: Baseline, processes: Sequence[dict[str, Any]]) -> Comparison:
    found = compare(run_of(processes), baseline, 1.15)
    assert found.same_unit
    return found


def test_a_planted_slowdown_is_found(
    measure: Measure, baseline: Baseline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measurement, "_ROUNDS", "planted:rounds")
    found = compared(baseline, measure(range(3)))
    assert "features" in found.slower, found.ratios["features"]
    assert not {"decode", "resample", f"{NUMERIC}:network"} & set(found.slower)


def test_twenty_runs_of_the_same_build(measure: Measure, baseline: Baseline) -> None:
    runs = list(combinations(measure(range(3, 9)), 3))
    assert len(runs) == 20
    assert [list(compared(baseline, run).complaints()) for run in runs] == [[]] * 20
