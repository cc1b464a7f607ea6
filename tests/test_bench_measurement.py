"""A bundle measured here: what is found of each variant, and of interpreters that misbehave."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ser_edge import Bundle
from ser_edge.backends import INTERPRETERS
from ser_edge.errors import BackendError, BundleError, ConfigError, SerEdgeError
from ser_edge_bench import measurement
from ser_edge_bench.bench_clip import golden_clip
from ser_edge_bench.measurement import measure
from ser_edge_bench.metrics import NAMES, PERCENTILES, STAGES
from ser_edge_bench.plan import QUICK, Plan
from ser_edge_bench.result import Result
from ser_edge_bench.variant import variants

Edit = Callable[[Callable[[dict[str, Any]], object]], Path]

PLAN = Plan(processes=2, warmup_runs=1, warmup_s=0, runs=4, seconds=0)
NUMERIC = "float32.numeric"


@pytest.fixture(scope="module")
def result() -> Result:
    """All variants that there are here."""
    from conftest import BUNDLE

    bundle = Bundle.open(BUNDLE)
    return measure(bundle, golden_clip(bundle), PLAN)


def test_every_variant_has_every_figure(result: Result, bundle_dir: Path) -> None:
    usable = [v for v in variants(Bundle.open(bundle_dir)) if INTERPRETERS[v.backend].usable]
    assert [variant.name for variant in result.variants] == [v.name for v in usable]
    assert result.default == usable[[v.model.precision for v in usable].index("int8")].name or (
        result.default == NUMERIC
    )
    assert result.failures == ()
    assert set(result.not_tried) == {n for n, i in INTERPRETERS.items() if not i.usable}
    for variant in result.variants:
        assert list(variant.metrics) == sorted(NAMES, key=list(variant.metrics).index)
        assert set(variant.metrics) == set(NAMES)
        known = {n: v for n, v in variant.metrics.items() if n not in ("memory_mb", "peak_mb")}
        assert all(v is not None and math.isfinite(v) and v >= 0 for v in known.values())
        assert variant.golden == "agrees"
        assert variant.uar is not None


def test_figures_fit_together(result: Result) -> None:
    for variant in result.variants:
        metrics = {name: value or 0.0 for name, value in variant.metrics.items()}
        for stage in STAGES:
            for unit in ("ms", "kernels"):
                values = [metrics[f"{stage}.p{q}_{unit}"] for q in PERCENTILES]
                assert values == sorted(values)
        assert metrics["import_ms"] < metrics["ready_ms"]
        assert metrics["memory_mb"] <= metrics["peak_mb"]
        seconds = result.setting.clip["seconds"]
        assert metrics["real_time_factor"] == pytest.approx(
            metrics["end_to_end.p50_ms"] / 1e3 / seconds, rel=1e-4
        )
        size = (Path(result.setting.bundle["folder"]) / variant.file).stat().st_size
        assert metrics["size_kb"] == pytest.approx(size / 1e3)
        # The whole is more than its largest part, in the same rounds.
        assert metrics["end_to_end.p50_ms"] > metrics["features.p50_ms"]


def test_rounds_and_blocks(result: Result) -> None:
    assert result.times_ms.keys() - {"kernel"} == result.blocks.keys()
    for call, processes in result.blocks.items():
        assert [len(blocks) for blocks in processes] == [4, 4]
        assert [len(times) for times in result.times_ms[call]] == [4, 4]
    if hasattr(os, "sched_setaffinity"):
        assert len(result.cpus) == 1


def test_it_is_json(result: Result) -> None:
    content = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert (content["schema"], content["version"]) == ("ser-edge-bench", 1)
    assert "times_ms" not in content
    assert content["plan"]["threads"] == 1
    assert content["date"].endswith("+00:00")
    assert len(content["bundle"]["digest"]) == 64


def test_only_some(bundle_dir: Path) -> None:
    bundle = Bundle.open(bundle_dir)
    told: list[str] = []
    plan = replace(PLAN, processes=1)
    found = measure(bundle, golden_clip(bundle), plan, names=[NUMERIC], progress=told.append)
    assert [variant.name for variant in found.variants] == [NUMERIC]
    assert (found.default, found.not_tried) == (NUMERIC, {})
    assert told[0] == f"process 1 of 1: {NUMERIC} starts"
    assert "process 1 of 1: 0% measured" in told


@pytest.fixture
def litert(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The source of a LiteRT that precedes the real one, if any; numeric is the only other."""
    some = {name: INTERPRETERS[name] for name in ("litert", "numeric")}
    for module in ("bench.variant", "bench.measurement", "verify.answers"):
        monkeypatch.setattr(f"ser_edge.{module}.INTERPRETERS", some)
    folder = tmp_path / "ai_edge_litert"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    return folder / "interpreter.py"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (
            "raise ImportError('GLIBC_2.38 not found')",
            "on import: ImportError: GLIBC_2.38 not found; pip install --force",
        ),
        (
            "class Interpreter:\n def __init__(self, **_): raise ValueError('no such op')",
            "ai_edge_litert cannot open model.int8.tflite: no such op; export it again",
        ),
        (
            "import os\nclass Interpreter:\n def __init__(self, **_): os.abort()",
            "on opening the model: ended by SIGABRT (aborted); pip install --force",
        ),
    ],
)
def test_an_interpreter_that_does_not_work(
    bundle_dir: Path, litert: Path, code: str, reason: str
) -> None:
    litert.write_text(code)
    bundle = Bundle.open(bundle_dir)
    found = measure(
        bundle, golden_clip(bundle), replace(PLAN, processes=1), names=["int8.litert", NUMERIC]
    )
    assert [variant.name for variant in found.variants] == [NUMERIC]
    assert found.default == NUMERIC
    (failure,) = found.failures
    assert (failure.name, failure.file) == ("int8.litert", "model.int8.tflite")
    assert failure.reason.startswith(reason)
    with pytest.raises(BackendError, match=r"no interpreter opens it \(int8\.litert: "):
        measure(bundle, golden_clip(bundle), PLAN, names=["int8.litert"])


def test_nothing_that_is_installed(bundle_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measurement, "absence", lambda *_: ("absent", "not installed", "pip"))
    bundle = Bundle.open(bundle_dir)
    with pytest.raises(BackendError, match="no interpreter for it is installed; `ser-edge doctor`"):
        measure(bundle, golden_clip(bundle), PLAN)


def test_a_process_that_breaks_off(
    bundle_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "breaking.py").write_text(
        "import os\ndef rounds(*words):\n    yield {'stage': 'run'}\n    os.abort()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(measurement, "_ROUNDS", "breaking:rounds")
    bundle = Bundle.open(bundle_dir)
    with pytest.raises(SerEdgeError, match=rf"measured {NUMERIC} broke off \(.*SIGABRT"):
        measure(bundle, golden_clip(bundle), PLAN, names=[NUMERIC])


def test_without_golden_clips(edited_bundle: Edit, bundle_dir: Path) -> None:
    bundle = Bundle.open(edited_bundle(lambda manifest: manifest.update(golden_sha256="")))
    clip = golden_clip(Bundle.open(bundle_dir))
    found = measure(bundle, clip, replace(PLAN, processes=1), names=[NUMERIC])
    (variant,) = found.variants
    assert (variant.golden, variant.metrics["deviation"]) == ("unknown", None)


@pytest.mark.parametrize("about", [{}, {"forms": 3}, {"forms": [{}]}, {"forms": [None]}])
def test_a_manifest_that_tells_no_accuracy(edited_bundle: Edit, about: dict[str, Any]) -> None:
    bundle = Bundle.open(edited_bundle(lambda manifest: manifest.update(about=about)))
    found = measure(bundle, golden_clip(bundle), replace(PLAN, processes=1), names=[NUMERIC])
    assert found.variants[0].uar is None


def test_a_damaged_file(edited_bundle: Edit) -> None:
    folder = edited_bundle(lambda manifest: None)
    path = folder / "model.int8.tflite"
    path.write_bytes(path.read_bytes()[:-1])
    bundle = Bundle.open(folder)
    with pytest.raises(BundleError, match="is damaged or was changed"):
        measure(bundle, golden_clip(bundle), PLAN, names=[NUMERIC])


@pytest.mark.parametrize(
    "setting",
    [
        *({"threads": 0}, {"threads": 65}, {"processes": 0}, {"runs": 0}, {"warmup_runs": -1}),
        *({"seconds": -1.0}, {"seconds": math.nan}, {"warmup_s": math.inf}),
    ],
)
def test_plans_that_are_none(setting: dict[str, Any]) -> None:
    (name,) = setting
    with pytest.raises(ConfigError, match=rf"^{name}=.*; expected "):
        Plan(**setting)


def test_the_method_is_the_documented_one() -> None:
    plan = Plan()
    assert (plan.threads, plan.processes) == (1, 3)
    assert (plan.warmup_runs, plan.warmup_s) == (10, 0.5)
    assert (plan.runs, plan.seconds) == (200, 2.0)
    assert Plan(**QUICK).processes == 1  # type: ignore[arg-type]


def test_both_runs_and_seconds_are_kept(bundle_dir: Path) -> None:
    bundle = Bundle.open(bundle_dir)
    plan = Plan(processes=1, warmup_runs=0, warmup_s=0.0, runs=2, seconds=0.3)
    found = measure(bundle, golden_clip(bundle), plan, names=[NUMERIC])
    (times,) = found.times_ms[f"{NUMERIC}:end_to_end"]
    assert len(times) > 2
    assert sum(times) >= 300 > sum(times[:-1])


def test_an_interpreter_that_works_but_once(bundle_dir: Path, litert: Path, tmp_path: Path) -> None:
    """What then is left has been measured in every process."""
    litert.write_text(
        f"import os\nif os.path.exists({str(tmp_path / 'seen')!r}): raise ImportError('no')\n"
        f"if 'bench.rounds:rounds' in str(__import__('sys').orig_argv):\n"
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
    bundle = Bundle.open(bundle_dir)
    found = measure(bundle, golden_clip(bundle), PLAN, names=["int8.litert", NUMERIC])
    assert [failure.name for failure in found.failures] == ["int8.litert"]
    assert [variant.name for variant in found.variants] == [NUMERIC]
    assert found.times_ms.keys() - {"kernel"} == found.blocks.keys()
    assert not any("litert" in call for call in found.blocks)
