"""A bundle measured here: the figures of each variant, and interpreters that do not work."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from raising import raises

from ser_edge import Bundle
from ser_edge.backends import INTERPRETERS
from ser_edge.errors import BackendError, BundleError, ConfigError, SerEdgeError
from ser_edge_bench import jobs, measurement
from ser_edge_bench.clip import BenchClip, golden_clip
from ser_edge_bench.figures import NAMES, STAGES, manifest_uar
from ser_edge_bench.jobs import Rounds
from ser_edge_bench.measurement import measure
from ser_edge_bench.plan import QUICK, Plan
from ser_edge_bench.result import BenchResult
from ser_edge_bench.statistics import BLOCKS, PERCENTILES
from ser_edge_bench.variant import Pipeline, bench_variants

Edit = Callable[[Callable[[dict[str, Any]], object]], Path]

PLAN = Plan(processes=2, warmup_runs=1, warmup_s=0, runs=4, seconds=0)
ONCE = replace(PLAN, processes=1)
NUMERIC = "float32.numeric"


@pytest.fixture(scope="module")
def result() -> BenchResult:
    """All variants that can be measured here."""
    from conftest import BUNDLE

    bundle = Bundle.open(BUNDLE)
    return measure(bundle, golden_clip(bundle), PLAN)


@pytest.fixture
def bundle(bundle_dir: Path) -> Bundle:
    return Bundle.open(bundle_dir)


@pytest.fixture
def clip(bundle: Bundle) -> BenchClip:
    return golden_clip(bundle)


def test_every_variant_has_every_figure(result: BenchResult, bundle: Bundle) -> None:
    usable = [v for v in bench_variants(bundle) if INTERPRETERS[v.backend].usable]
    assert [variant.name for variant in result.variants] == [v.name for v in usable]
    int8 = [variant.name for variant in usable if variant.model.precision == "int8"]
    assert result.default == (int8 or [NUMERIC])[0]
    assert result.failures == ()
    assert set(result.not_tried) == {n for n, i in INTERPRETERS.items() if not i.usable}
    for variant in result.variants:
        assert set(variant.metrics) == set(NAMES)
        known = {n: v for n, v in variant.metrics.items() if n not in ("memory_mb", "peak_mb")}
        assert all(v is not None and math.isfinite(v) and v >= 0 for v in known.values())
        assert variant.golden == "agrees"


def test_figures_fit_together(result: BenchResult) -> None:
    for variant in result.variants:
        metrics = {name: value or 0.0 for name, value in variant.metrics.items()}
        for stage in STAGES:
            for unit in ("ms", "kernels"):
                values = [metrics[f"{stage}.p{q}_{unit}"] for q in PERCENTILES]
                assert values == sorted(values)
        assert metrics["import_ms"] < metrics["ready_ms"]
        assert metrics["memory_mb"] <= metrics["peak_mb"]
        assert metrics["real_time_factor"] == pytest.approx(
            metrics["end_to_end.p50_ms"] / 1e3 / result.setting.clip["seconds"], rel=1e-4
        )
        size = (Path(result.setting.bundle["folder"]) / variant.file).stat().st_size
        assert metrics["size_kb"] == pytest.approx(size / 1e3)


def test_rounds_and_blocks(result: BenchResult) -> None:
    assert result.times_ms.keys() - {"kernel"} == result.blocks.keys()
    for call, processes in result.blocks.items():
        assert [len(blocks) for blocks in processes] == [4, 4]
        assert [len(times) for times in result.times_ms[call]] == [4, 4]
    if hasattr(os, "sched_setaffinity"):
        assert len(result.cpus) == 1
    assert result.blas


def test_the_json(result: BenchResult) -> None:
    content = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert (content["format"], content["format_version"]) == ("ser-edge-bench", 1)
    assert "times_ms" not in content
    assert content["plan"]["threads"] == 1
    assert content["date"].endswith("+00:00")
    assert len(content["bundle"]["digest"]) == 64


def test_one_variant_of_many_without_golden_clips(edited_bundle: Edit, clip: BenchClip) -> None:
    bundle = Bundle.open(edited_bundle(lambda manifest: manifest.update(golden_sha256="")))
    shown: list[str] = []
    found = measure(bundle, clip, ONCE, names=[NUMERIC], progress=shown.append)
    (variant,) = found.variants
    assert (variant.name, found.default, found.not_tried) == (NUMERIC, NUMERIC, {})
    assert (variant.golden, variant.metrics["deviation"]) == ("unknown", None)
    assert "process 1 of 1" in shown[0]
    assert NUMERIC in shown[0]


@pytest.fixture
def litert(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The source of a LiteRT that is found before the real one, if any."""
    some = {name: INTERPRETERS[name] for name in ("litert", "numeric")}
    for module in ("ser_edge_bench.variant", "ser_edge_bench.measurement"):
        monkeypatch.setattr(f"{module}.INTERPRETERS", some)
    folder = tmp_path / "ai_edge_litert"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    return folder / "interpreter.py"


@pytest.mark.parametrize(
    ("code", "problem", "remedy"),
    [
        ("raise ImportError('GLIBC_2.38 not found')", "GLIBC_2.38", "pip install"),
        (
            "class Interpreter:\n def __init__(self, **_): raise ValueError('no such op')",
            "no such op",
            "export it again",
        ),
        (
            "import os\nclass Interpreter:\n def __init__(self, **_): os.abort()",
            "SIGABRT",
            "pip install",
        ),
    ],
)
def test_an_interpreter_that_does_not_work(
    bundle: Bundle, clip: BenchClip, litert: Path, code: str, problem: str, remedy: str
) -> None:
    litert.write_text(code)
    found = measure(bundle, clip, ONCE, names=["int8.litert", NUMERIC])
    assert [variant.name for variant in found.variants] == [found.default] == [NUMERIC]
    (failure,) = found.failures
    assert (failure.name, failure.file) == ("int8.litert", "model.int8.tflite")
    assert problem in failure.problem
    assert remedy in failure.remedy
    with raises(BackendError, "int8.litert", problem, source=bundle.folder):
        measure(bundle, clip, ONCE, names=["int8.litert"])


def test_no_interpreter_is_installed(
    bundle: Bundle, clip: BenchClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measurement, "absence", lambda *_: ("absent", "not installed", "pip"))
    monkeypatch.setattr(measurement, "run_isolated", None)  # nothing is started
    with raises(BackendError, "numeric: not installed; pip", source=bundle.folder):
        measure(bundle, clip, PLAN)


def test_a_measuring_process_that_ends_early(
    bundle: Bundle, clip: BenchClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "breaking.py").write_text(
        "import os\ndef rounds(*words):\n    yield {'stage': 'run'}\n    os.abort()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(measurement, "_ROUNDS", "breaking:rounds")
    with raises(SerEdgeError, NUMERIC, "SIGABRT", "--variant"):
        measure(bundle, clip, PLAN, names=[NUMERIC])


def test_an_interpreter_that_works_only_once(
    bundle: Bundle, clip: BenchClip, litert: Path, tmp_path: Path
) -> None:
    """The result has only the variants that every process has measured."""
    litert.write_text(
        f"import os\nif os.path.exists({str(tmp_path / 'seen')!r}): raise ImportError('no')\n"
        f"if 'jobs:rounds' in str(__import__('sys').orig_argv):\n"
        f" open({str(tmp_path / 'seen')!r}, 'w').close()\n"
        "import numpy as np\n"
        "class Interpreter:\n"
        " def __init__(self, **_): pass\n"
        " def allocate_tensors(self): pass\n"
        " def get_input_details(self):\n"
        "  return [{'index': 0, 'shape': np.array([1, 130, 22]), 'dtype': np.float32}]\n"
        " def get_output_details(self): return [{'index': 1, 'dtype': np.float32}]\n"
        " def set_tensor(self, *_): pass\n"
        " def invoke(self): pass\n"
        " def get_tensor(self, _): return np.zeros((1, 7), np.float32)\n"
    )
    found = measure(bundle, clip, PLAN, names=["int8.litert", NUMERIC])
    assert [failure.name for failure in found.failures] == ["int8.litert"]
    assert [variant.name for variant in found.variants] == [NUMERIC]
    assert found.times_ms.keys() - {"kernel"} == found.blocks.keys()
    assert not any("litert" in call for call in found.blocks)


def test_a_damaged_file(edited_bundle: Edit, clip: BenchClip) -> None:
    folder = edited_bundle(lambda manifest: None)
    path = folder / "model.int8.tflite"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BundleError):
        measure(Bundle.open(folder), clip, PLAN, names=[NUMERIC])


UAR = {"metrics": {"all": {"uar": 0.75}}}
ENTRY = {"backend": "numeric", "file": "model.float32.npz", "uar_change": -0.25}


@pytest.mark.parametrize(
    ("about", "uar"),
    [
        ({**UAR, "variants": [{**ENTRY, "backend": "onnx", "uar_change": 0}, ENTRY]}, 0.5),
        *((about, None) for about in ({}, UAR, {"variants": [ENTRY]}, {**UAR, "variants": 3})),
        ({**UAR, "variants": [{}]}, None),
        ({**UAR, "variants": [None]}, None),
    ],
)
def test_the_accuracy_in_the_manifest(
    bundle: Bundle, about: dict[str, Any], uar: float | None
) -> None:
    assert manifest_uar(about, bench_variants(bundle)[-1]) == uar


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("threads", 0), ("threads", 65), ("processes", 0), ("runs", 0), ("warmup_runs", -1)),
        *(("runs", 2.5), ("processes", True)),
        *(("seconds", -1.0), ("seconds", math.nan), ("warmup_s", math.inf)),
    ],
)
def test_illegal_plans(name: str, value: Any) -> None:
    with raises(ConfigError, f"{name}={value}"):
        Plan(**{name: value})


def test_the_method_is_the_documented_one() -> None:
    plan = Plan()
    assert (plan.threads, plan.processes) == (1, 3)
    assert (plan.warmup_runs, plan.warmup_s) == (10, 0.5)
    assert (plan.runs, plan.seconds) == (200, 2.0)
    assert Plan(**QUICK).processes == 1  # type: ignore[arg-type]


class FakeStopwatch:
    """Every call takes an eighth of a second, half of it waiting."""

    counts_waiting = True

    def time(self, call: Callable[[], object]) -> tuple[float, float]:
        call()
        return 0.125, 0.0625


@pytest.mark.parametrize(
    ("runs", "seconds", "expected"),
    [(2, 0.5, 4), (6, 0.5, 6), (3, 0.0, 3), (0, 0.0, 0), (1, 0.8, 7)],
)
def test_runs_and_seconds_are_both_reached(
    bundle: Bundle,
    clip: BenchClip,
    monkeypatch: pytest.MonkeyPatch,
    runs: int,
    seconds: float,
    expected: int,
) -> None:
    monkeypatch.setattr(jobs, "Stopwatch", FakeStopwatch)
    monkeypatch.setattr(jobs, "_REPORT_S", -1.0)
    pipeline = Pipeline(bundle, bench_variants(bundle)[-1], 1)
    rounds = Rounds(clip.content, {NUMERIC: pipeline}, 0)
    shares = list(rounds.until(runs, seconds))
    assert shares == sorted(shares)
    assert all(0 <= share < 1 for share in shares)
    found = rounds.result()
    calls = {"kernel", "decode", "resample", "features"}
    calls |= {f"{NUMERIC}:network", f"{NUMERIC}:end_to_end"}
    assert set(found["wall_ms"]) == (calls if expected else set())
    assert all(times == [125.0] * expected for times in found["wall_ms"].values())
    assert all(times == [62.5] * expected for times in found["own_ms"].values())
    rounds.clear()
    assert rounds.result()["own_ms"] == {}


def test_arrays_are_allocated_anew(
    bundle: Bundle, clip: BenchClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "Stopwatch", FakeStopwatch)
    pipeline = Pipeline(bundle, bench_variants(bundle)[-1], 1)
    rounds = Rounds(clip.content, {NUMERIC: pipeline}, 0)
    allocated: list[object] = []
    allocate = rounds._allocate

    def counted() -> None:
        allocated.append(None)
        allocate()

    monkeypatch.setattr(rounds, "_allocate", counted)
    list(rounds.until(6 * BLOCKS, 0.0))
    assert len(allocated) == BLOCKS
