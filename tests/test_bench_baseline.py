"""The baseline: which runs can be compared, which are refused, and when a slowdown counts."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hanging import make_pipe
from measured import MACHINE, result
from raising import raises

from ser_edge.errors import ConfigError, SerEdgeError
from ser_edge_bench.baseline import Baseline, compare
from ser_edge_bench.plan import Plan
from ser_edge_bench.result import BenchResult

Save = Callable[..., Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def save(run: BenchResult | None = None, **changes: Any) -> Path:
        path = tmp_path / "old.json"
        path.write_text(json.dumps({**(run or result()).to_dict(), **changes}), "utf-8")
        return path

    return save


def test_a_run_against_itself(save: Save) -> None:
    run = result()
    baseline = Baseline.load(save(run))
    baseline.check(run.setting)
    found = compare(run, baseline, 1.15)
    assert set(found.ratios) == set(run.blocks)
    assert {(r.value, r.low, r.high) for r in found.ratios.values()} == {(1, 1, 1)}
    assert (found.slower, list(found.complaints()), found.notes) == ({}, [], ())
    assert found.same_unit
    assert found.share == pytest.approx(1 - 0.05 / 7)


@pytest.mark.parametrize(
    ("paces", "slower"),
    [
        ((1.1, 1.1, 1.1), False),  # within the allowed slowdown
        ((1.2, 1.2, 1.2), True),
        ((1.5, 1.5, 1.0), False),  # may be noise
        ((1.5, 1.4, 1.2), True),
        ((0.5, 0.5, 0.5), False),
    ],
)
def test_noise_does_not_count(save: Save, paces: tuple[float, float, float], slower: bool) -> None:
    run = result()
    features = [[10.0 * pace] * 20 for pace in paces]
    run = replace(run, blocks={**run.blocks, "features": features})
    found = compare(run, Baseline.load(save()), 1.15)
    assert list(found.slower) == (["features"] if slower else [])
    assert [complaint.split()[0] for complaint in found.complaints()] == list(found.slower)


def test_a_complaint_has_the_ratio_and_its_interval(save: Save) -> None:
    found = compare(result(kernels=15.0), Baseline.load(save()), 1.15)
    complaint = next(found.complaints())
    for value in ("decode", "1.50 times", "99.3%", "1.50 to 1.50", "1.15"):
        assert value in complaint
    assert found.to_dict()["slower"] == list(found.ratios)


def test_variants_of_one_run_only(save: Save) -> None:
    found = compare(result("int8.litert", "int8.onnx"), Baseline.load(save()), 1.15)
    assert "int8.litert:network" in found.ratios
    assert "int8.onnx:network" not in found.ratios
    assert set(found.missing) == {
        f"{name}:{stage}"
        for name in ("int8.onnx", "float32.numeric")
        for stage in ("network", "end_to_end")
    }
    path = save()
    with raises(SerEdgeError, "variant", source=path):
        compare(result("int8.onnx"), Baseline.load(path), 1.15)


@pytest.mark.parametrize(
    ("changes", "note", "same_unit"),
    [
        ({"machine": replace(MACHINE, cpu="Abacus")}, f"cpu was {MACHINE.cpu}, is Abacus", False),
        (
            {"machine": replace(MACHINE, python="CPython 3.13.0")},
            "python was CPython 3.12.1, is CPython 3.13.0",
            False,
        ),
        (
            {"versions": {"ser-edge": "0.1.0", "numpy": "1.26.4"}},
            "numpy was 2.1.0, is 1.26.4",
            False,
        ),
        (
            {"versions": {"ser-edge": "0.2.0", "numpy": "2.1.0"}},
            "ser-edge was 0.1.0, is 0.2.0",
            True,
        ),
        (
            {"bundle": {"folder": "b", "name": "mine", "digest": "f" * 64}},
            "bundle was pretrained, is another mine",
            True,
        ),
    ],
)
def test_differences_are_noted(
    save: Save, changes: dict[str, Any], note: str, same_unit: bool
) -> None:
    run = result(kernels=15.0)
    run = replace(run, setting=replace(run.setting, **changes))
    found = compare(run, Baseline.load(save()), 1.15)
    assert found.notes == (note,)
    assert found.same_unit == same_unit
    assert bool(found.slower) == same_unit  # in another unit no call is slower


@pytest.mark.parametrize(
    ("changes", "values"),
    [
        ({"plan": Plan(threads=2)}, ("threads=1", "threads=2")),
        ({"clip": {"sample_rate": 16000}}, ("sample_rate=48000", "sample_rate=16000")),
        ({"clip": {"seconds": 9.0}}, ("seconds=3.0", "seconds=9.0")),
        ({"clip": {"windows": 7}}, ("windows=1", "windows=7")),
    ],
)
def test_other_recordings_and_threads_are_refused(
    save: Save, changes: dict[str, Any], values: tuple[str, str]
) -> None:
    setting, path = result().setting, save()
    if "clip" in changes:
        changes = {"clip": {**setting.clip, **changes["clip"]}}
    with raises(ConfigError, *values, source=path):
        Baseline.load(path).check(replace(setting, **changes))


@pytest.mark.parametrize(
    ("changes", "value"),
    [
        ({"format": "other"}, "format='other'"),
        ({"format_version": 2}, "format_version=2"),
        ({"format_version": None}, "format_version=None"),
        ({"blocks": {}}, "ValueError"),
        ({"blocks": {"features": [[]] * 3}}, "ValueError"),
        ({"blocks": {"features": [[0.0]] * 3}}, "ValueError"),
        ({"blocks": {"features": [["x"]] * 3}}, "ValueError"),
        ({"blocks": [1]}, "AttributeError"),
        ({"machine": {}}, "KeyError: 'cpu'"),
        ({"plan": 3}, "TypeError"),
        ({"versions": None}, "TypeError"),
        ({"blocks": {"features": [[1.0]] * 2}}, "2 processes"),
    ],
)
def test_results_that_do_not_fit(save: Save, changes: dict[str, Any], value: str) -> None:
    path = save(**changes)
    with raises(SerEdgeError, value, "`ser-edge bench --json FILE`", source=path):
        Baseline.load(path)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"[]", b"3", None])
def test_other_files(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "old.json"
    if content is not None:
        path.write_bytes(content)
    with raises(SerEdgeError, source=path):
        Baseline.load(path)


def test_a_truncated_file(save: Save) -> None:
    path = save()
    path.write_text(path.read_text("utf-8")[:2000], "utf-8")
    with raises(SerEdgeError, source=path):
        Baseline.load(path)


def test_a_pipe_is_not_read(tmp_path: Path) -> None:
    make_pipe(tmp_path / "pipe")
    with raises(SerEdgeError, "pipe", "ser-edge bench --json FILE", source=tmp_path / "pipe"):
        Baseline.load(tmp_path / "pipe")
