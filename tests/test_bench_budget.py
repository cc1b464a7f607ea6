"""Budgets: how they are written, which figure each is held against, and what is said of it."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from ser_edge.errors import ConfigError
from ser_edge_bench.budget import Budget, judged, read_budgets
from ser_edge_bench.metrics import KNOWN, NAMES


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
def test_what_is_legal(text: str, expected: Budget) -> None:
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
def test_what_is_no_budget(text: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{re.escape(repr(text))}; expected .*METRIC<=NUMBER"):
        Budget.parse(text)


@pytest.mark.parametrize("metric", ["speed", "end_to_end.p96_ms", "network.p50", "SIZE_KB"])
def test_unknown_metrics_are_answered_with_the_known_ones(metric: str) -> None:
    with pytest.raises(ConfigError, match=f"names no metric '{metric}'; there are ") as caught:
        Budget.parse(f"{metric}<=1")
    assert KNOWN in str(caught.value)


def test_the_sentence_of_known_metrics_leaves_none_out() -> None:
    for name in NAMES:
        stage, _, percentile = name.partition(".")
        assert stage in KNOWN or stage.replace("_kernels", "_ms") in KNOWN
        if percentile:
            number, unit = percentile[1:].split("_")
            assert number in KNOWN.partition("percentiles")[2]
            assert f"STAGE.pNN_{unit}" in KNOWN


def test_a_file_of_budgets(tmp_path: Path) -> None:
    budgets = ["end_to_end.p95_ms<=50", "size_kb<=300"]
    expected = tuple(Budget.parse(budget) for budget in budgets)
    path = tmp_path / "budgets.json"
    path.write_text(json.dumps({"budgets": budgets}), "utf-8")
    assert read_budgets(path) == expected
    path = tmp_path / "budgets.toml"
    path.write_text(f"# of the Pi\nbudgets = {json.dumps(budgets)}\n", "utf-8")
    if sys.version_info >= (3, 11):
        assert read_budgets(path) == expected
    else:
        with pytest.raises(ConfigError, match=r"reads TOML from 3\.11 on, and this is 3\.10.*JSON"):
            read_budgets(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "expected one entry"),
        ("{}", "expected one entry"),
        ('{"budgets": []}', "expected one entry"),
        ('{"budgets": "size_kb<=1"}', "expected one entry"),
        ('{"budgets": ["size_kb<=1"], "more": 1}', "expected one entry"),
        ('{"budgets": ["size<=1"]}', "names no metric 'size'"),
        ('{"budgets": [1]}', "'1'; expected"),
        (b"\xff", "cannot be read"),
    ],
)
def test_files_of_something_else(tmp_path: Path, content: str | bytes, message: str) -> None:
    path = tmp_path / "budgets.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError, match=message) as caught:
        read_budgets(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="no tomllib")
def test_broken_toml(tmp_path: Path) -> None:
    path = tmp_path / "budgets.toml"
    path.write_text("budgets = [", "utf-8")
    with pytest.raises(ConfigError, match="is not TOML"):
        read_budgets(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_budgets(tmp_path / "budgets.toml")


@pytest.mark.parametrize(
    ("text", "ok", "said"),
    [
        ("size_kb<=300", True, "a:size_kb is 250, within its budget of 300"),
        ("size_kb<=250", True, "a:size_kb is 250, within its budget of 250"),
        ("size_kb<=200", False, "a:size_kb is 250, 50 (25%) over its budget of 200"),
        ("size_kb<=0", False, "a:size_kb is 250, 250 over its budget of 0"),
        ("size_kb>=300", False, "a:size_kb is 250, 50 (17%) under its budget of 300"),
        ("b:size_kb>=300", True, "b:size_kb is 400, within its budget of 300"),
        ("peak_mb<=1", False, "a:peak_mb was not measured, expected <=1"),
        ("c:size_kb<=1", False, "c:size_kb was not measured, expected <=1"),
    ],
)
def test_verdicts(text: str, ok: bool, said: str) -> None:
    metrics: dict[str, dict[str, float | None]] = {
        "a": {"size_kb": 250.0, "peak_mb": None},
        "b": {"size_kb": 400.0},
    }
    (verdict,) = judged([Budget.parse(text)], metrics, "a")
    assert (verdict.ok, str(verdict)) == (ok, said)
    assert verdict.to_dict()["ok"] is ok
