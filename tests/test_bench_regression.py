"""A slowdown that is one is found, and the same build twenty times over is never called slower.

All in processes that are measured for this, however busy the machine is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from measured import result

from ser_edge import Bundle
from ser_edge_bench import measurement
from ser_edge_bench.baseline import Baseline, Comparison, compare
from ser_edge_bench.bench_clip import golden_clip
from ser_edge_bench.measurement import take_turns
from ser_edge_bench.pinning import cpus_for
from ser_edge_bench.plan import LEAST_PROCESSES, Plan
from ser_edge_bench.result import Result
from ser_edge_bench.summary import blocks_of

NUMERIC = "float32.numeric"
PLAN = Plan(warmup_runs=0, warmup_s=0, runs=40, seconds=0)

# Each window's features are computed once, and half of them once more.
PLANTED = """
from ser_edge_bench import rounds as own
from ser_edge.features.extractor import FeatureExtractor

once = FeatureExtractor.__call__

def one_and_a_half_times(self, samples):
    once(self, samples[: len(samples) // 2])
    return once(self, samples)

def rounds(*words):
    FeatureExtractor.__call__ = one_and_a_half_times
    yield from own.rounds(*words)
"""

Measure = Callable[[], Result]


@pytest.fixture(scope="module")
def measure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Measure]:
    """A run, as far as it is compared with others."""
    from conftest import BUNDLE

    bundle = Bundle.open(BUNDLE)
    folder = tmp_path_factory.mktemp("regression")
    clip = folder / "clip"
    clip.write_bytes(golden_clip(bundle).content)

    def measured() -> Result:
        found = [
            take_turns(bundle, clip, PLAN, [NUMERIC], seed=number, cpus=cpus_for(1))
            for number in range(LEAST_PROCESSES)
        ]
        return replace(result(NUMERIC), blocks=blocks_of(found))

    with pytest.MonkeyPatch.context() as patch:
        # What is compiled once need not be in each of some sixty processes.
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        patch.setenv("PYTHONPYCACHEPREFIX", str(folder / "compiled"))
        (folder / "planted.py").write_text(PLANTED)
        patch.syspath_prepend(folder)
        yield measured


@pytest.fixture(scope="module")
def baseline(measure: Measure) -> Baseline:
    run = measure()
    return Baseline("old.json", run.to_dict(), run.blocks)


def held_against(baseline: Baseline, run: Result) -> Comparison:
    found = compare(run, baseline, 1.15)
    assert found.same_unit
    return found


def test_a_planted_slowdown_is_caught(
    measure: Measure, baseline: Baseline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measurement, "_ROUNDS", "planted:rounds")
    found = held_against(baseline, measure())
    assert "features" in found.slower, found.ratios["features"]
    # It is told where it is, and where it is not.
    assert not {"decode", "resample", f"{NUMERIC}:network"} & set(found.slower)


def test_the_same_build_twenty_times(measure: Measure, baseline: Baseline) -> None:
    complaints = [list(held_against(baseline, measure()).complaints()) for _ in range(20)]
    assert complaints == [[]] * 20
