"""Budgets: their syntax, the figure that each limits, and the verdict."""

from __future__ import annotations

from dataclasses import replace

import pytest
from measured import result, variant
from raising import raises

from ser_edge.errors import ConfigError
from ser_edge_bench.budget import Budget, judge
from ser_edge_bench.figures import NAMES


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("end_to_end.p95_ms<=50", Budget("", "end_to_end.p95_ms", "<=", 50)),
        (" size_kb <= 3e2 ", Budget("", "size_kb", "<=", 300)),
        ("throughput_per_s>=20", Budget("", "throughput_per_s", ">=", 20)),
        (
            "int8.litert:network.p50_kernels<=1",
            Budget("int8.litert", "network.p50_kernels", "<=", 1),
        ),
        ("audio.int8.onnx: ready_ms<=900", Budget("audio.int8.onnx", "ready_ms", "<=", 900)),
    ],
)
def test_legal_budgets(text: str, expected: Budget) -> None:
    budget = Budget.parse(text)
    assert budget == expected
    assert Budget.parse(str(budget)) == budget


@pytest.mark.parametrize(
    "text",
    [
        *("", "size_kb", "size_kb<300", "size_kb=300", "size_kb<=", "<=3", "size_kb<=x"),
        *("size_kb<=nan", "size_kb<=inf", "size_kb<=1<=2", "a:b:size_kb<=1", ":size_kb<=1"),
    ],
)
def test_illegal_budgets(text: str) -> None:
    with raises(ConfigError, repr(text), "METRIC<=NUMBER"):
        Budget.parse(text)


@pytest.mark.parametrize("metric", ["speed", "end_to_end.p96_ms", "network.p50", "SIZE_KB"])
def test_unknown_metrics_are_answered_with_the_known_ones(metric: str) -> None:
    with raises(ConfigError, repr(metric), "STAGE.pNN_ms", "STAGE.pNN_kernels") as caught:
        Budget.parse(f"{metric}<=1")
    for name in NAMES:
        stage, _, percentile = name.partition(".")
        assert stage in caught.value.problem
        assert percentile[1:3] in caught.value.problem


@pytest.mark.parametrize(
    ("text", "ok", "value"),
    [
        *(("size_kb<=300", True, 250), ("size_kb<=250", True, 250), ("size_kb<=200", False, 250)),
        *(("size_kb>=250", True, 250), ("size_kb>=300", False, 250)),
        ("float32.numeric:size_kb>=300", True, 400),
        *(("peak_mb<=1", False, None), ("int8.onnx:size_kb<=1", False, None)),
    ],
)
def test_verdicts(text: str, ok: bool, value: float | None) -> None:
    variants = (
        variant("int8.litert", metrics={"size_kb": 250.0, "peak_mb": None}),
        variant("float32.numeric", metrics={"size_kb": 400.0}),
    )
    (verdict,) = judge([Budget.parse(text)], replace(result(), variants=variants))
    assert (verdict.ok, verdict.value) == (ok, value)
    name = text if ":" in text else f"int8.litert:{text}"
    assert verdict.to_dict() == {"budget": name, "value": value, "ok": ok}
    assert name in str(verdict)
    assert str("not measured" if value is None else value) in str(verdict)
