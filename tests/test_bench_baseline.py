"""An earlier run: what can be compared, what is refused, and when a slowdown fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from measured import MACHINE, result

from ser_edge.errors import SerEdgeError
from ser_edge_bench.baseline import Baseline, compare
from ser_edge_bench.plan import Plan
from ser_edge_bench.result import Result

Save = Callable[..., Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def written(run: Result | None = None, **changes: Any) -> Path:
        path = tmp_path / "old.json"
        path.write_text(json.dumps({**(run or result()).to_dict(), **changes}), "utf-8")
        return path

    return written


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
        ((1.1, 1.1, 1.1), False),  # within what is allowed
        ((1.2, 1.2, 1.2), True),
        ((1.5, 1.5, 1.0), False),  # it may be noise
        ((1.5, 1.4, 1.2), True),
        ((0.5, 0.5, 0.5), False),
    ],
)
def test_only_what_is_no_noise_fails(
    save: Save, paces: tuple[float, float, float], slower: bool
) -> None:
    run = result()
    baseline = Baseline.load(save(run))
    features = [[10.0 * pace] * 20 for pace in paces]
    found = compare(replace(run, blocks={**run.blocks, "features": features}), baseline, 1.15)
    assert list(found.slower) == (["features"] if slower else [])
    assert [said.split()[0] for said in found.complaints()] == list(found.slower)


def test_the_complaint_has_the_ratio_and_its_interval(save: Save) -> None:
    found = compare(result(kernels=15.0), Baseline.load(save()), 1.15)
    assert next(found.complaints()) == (
        "decode takes 1.50 times what it took, at least 1.50 and at most 1.50 (99.3% interval); "
        "allowed are 1.15"
    )
    assert found.to_dict()["slower"] == list(found.ratios)


def test_variants_that_only_one_has(save: Save) -> None:
    run = result("int8.litert", "int8.onnx")
    found = compare(run, Baseline.load(save()), 1.15)
    assert "int8.litert:network" in found.ratios
    assert "int8.onnx:network" not in found.ratios
    assert set(found.missing) == {
        f"{name}:{stage}"
        for name in ("int8.onnx", "float32.numeric")
        for stage in ("network", "end_to_end")
    }
    with pytest.raises(SerEdgeError, match="has no variant in common"):
        compare(result("int8.onnx"), Baseline.load(save()), 1.15)


@pytest.mark.parametrize(
    ("changes", "note", "same_unit"),
    [
        ({"machine": replace(MACHINE, cpu="Raspberry Pi 5")}, "another cpu: Raspb", False),
        ({"machine": replace(MACHINE, python="CPython 3.13.0")}, "another python: C", False),
        ({"versions": {"ser-edge": "0.1.0", "numpy": "1.26.4"}}, "another numpy: 2.1.0", False),
        ({"versions": {"ser-edge": "0.2.0", "numpy": "2.1.0"}}, "ser-edge was 0.1.0, n", True),
        (
            {"bundle": {"folder": "b", "name": "mine", "digest": "f" * 64}},
            "another bundle: pretrained, now mine",
            True,
        ),
    ],
)
def test_what_differs_is_told(
    save: Save, changes: dict[str, Any], note: str, same_unit: bool
) -> None:
    run = result(kernels=15.0)
    run = replace(run, setting=replace(run.setting, **changes))
    found = compare(run, Baseline.load(save()), 1.15)
    assert [told[: len(note)] for told in found.notes] == [note]
    assert found.same_unit == same_unit
    assert bool(found.slower) == same_unit  # in another unit nothing fails


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"plan": Plan(threads=2)}, "the plan has threads 1 there, and 2 here"),
        (
            {"clip": {"name": "mine", "rate": 16000, "seconds": 3.0, "windows": 1}},
            "the clip has rate 48000 there, and 16000 here",
        ),
        (
            {"clip": {"name": "mine", "rate": 48000, "seconds": 9.0, "windows": 7}},
            r"the clip has seconds 3\.0 there, and 9\.0 here",
        ),
    ],
)
def test_another_question_is_refused(save: Save, changes: dict[str, Any], message: str) -> None:
    setting = replace(result().setting, **changes)
    with pytest.raises(SerEdgeError, match=rf"old\.json: {message}; give the same"):
        Baseline.load(save()).check(setting)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": "other"}, "is no result"),
        ({"version": 2}, "has version 2 of the schema"),
        ({"version": None}, "has version None of the schema"),
        ({"blocks": {}}, r"is damaged or was changed \(ValueError"),
        ({"blocks": {"features": [[]] * 3}}, "is damaged or was changed"),
        ({"blocks": {"features": [[0.0]] * 3}}, "is damaged or was changed"),
        ({"blocks": {"features": [["x"]] * 3}}, "is damaged or was changed"),
        ({"blocks": [1]}, "is damaged or was changed"),
        ({"machine": {}}, r"is damaged or was changed \(KeyError: 'cpu'\)"),
        ({"plan": 3}, r"is damaged or was changed \(TypeError"),
        ({"versions": None}, "is damaged or was changed"),
        ({"blocks": {"features": [[1.0]] * 2}}, "was measured in 2 processes, expected at least 3"),
    ],
)
def test_files_that_do_not_fit(save: Save, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SerEdgeError, match=message) as caught:
        Baseline.load(save(**changes))
    assert "\n" not in str(caught.value)
    assert "`ser-edge bench --json FILE`" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"[]", b"3"])
def test_files_of_something_else(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "old.json"
    path.write_bytes(content)
    with pytest.raises(SerEdgeError, match=r"^\S+old\.json: is (not JSON|no result)"):
        Baseline.load(path)


def test_a_file_that_was_cut_short(save: Save) -> None:
    path = save()
    path.write_text(path.read_text("utf-8")[:2000], "utf-8")
    with pytest.raises(SerEdgeError, match="is not JSON"):
        Baseline.load(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SerEdgeError, match="cannot be read"):
        Baseline.load(tmp_path / "old.json")
