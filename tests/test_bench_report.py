"""The report: what it contains, its width, and the same tables as text and Markdown."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from measured import STATE, result, variant

from ser_edge_bench.baseline import Baseline, compare
from ser_edge_bench.bench_report import render, report
from ser_edge_bench.budget import Budget, judge
from ser_edge_bench.result import BenchResult


def text(made: BenchResult, *more: Any) -> str:
    return render(report(made, *more))


def test_a_terminal_has_100_columns() -> None:
    versions = {f"some-long-distribution-{i}": "12.34.56" for i in range(9)}
    made = result("int8-io.litert", "float32.numeric", "dynamic.tflite")
    made = replace(made, setting=replace(made.setting, versions=versions), interrupted=0.5)
    shown = text(made)
    assert max(map(len, shown.splitlines())) <= 100
    assert "50% of the calls" in shown
    assert not re.search(r" $", shown, re.MULTILINE)


def test_all_facts_are_shown() -> None:
    shown = text(result())
    for fact in (
        "Raspberry Pi 4 Model B Rev 1.1, 4 cores, Linux on aarch64",
        "governor ondemand, 1800 to 1800 MHz, 61.2 to 61.2 °C, load 0.4, not throttled",
        "golden clip 1, 3.00 s at 48000 Hz, 1 window",
        "3 processes of 3 rounds, 1 thread, on CPU 3",
        "digest 0123456789ab",
        "int8.litert *",
        "not measured: int8.tflite: no op; export again",
        "not tried: onnx: not installed; pip install 'ser-edge[onnx]'",
    ):
        assert fact in shown
    assert "had to wait for the CPU" not in shown


def test_numbers_stand_below_their_names() -> None:
    lines = text(result()).splitlines()
    at = lines.index("End to end [ms]")
    header, row = lines[at + 1], lines[at + 2]
    end = header.index("p95") + len("p95")
    assert row[:end].split()[-1] == f"{variant('a.b').metrics['end_to_end.p95_ms']:.1f}"


def test_unknown_values_are_dashes() -> None:
    made = result("int8.litert")
    metrics = {**made.variants[0].metrics, "memory_mb": None, "peak_mb": None}
    changed = replace(made.variants[0], metrics=metrics, uar=None, golden="unknown")
    state = replace(STATE, governor=None, mhz=None, temperature_c=None, throttled=None, load=None)
    shown = text(replace(made, variants=(changed,), before=state, after=state, cpus=()))
    assert "state: not reported by the system" in shown
    assert "on any CPU" in shown
    row = next(line for line in shown.splitlines() if re.search(r"unknown +-$", line))
    assert row.split().count("-") == 3


def test_an_audio_variant_has_no_features() -> None:
    made = result("int8.litert")
    metrics = {
        n: None if n.startswith("features") else v for n, v in variant("a.b").metrics.items()
    }
    audio = replace(made.variants[0], input_kind="audio", metrics=metrics)
    assert "features" not in text(replace(made, variants=(audio,)))
    assert "features" in text(replace(made, variants=(audio, made.variants[0])))


def test_deviations_and_throttling_are_shown() -> None:
    made = result()
    off = replace(
        made.variants[0], golden="deviates", golden_detail="0.5 off", golden_remedy="upgrade"
    )
    hot = replace(STATE, throttled=("throttled", "earlier: under-voltage"))
    shown = text(replace(made, variants=(off, *made.variants[1:]), after=hot))
    assert "int8.litert: 0.5 off; upgrade" in shown
    assert "slowed down: throttled, earlier: under-voltage" in shown
    assert "off by" in shown


@pytest.fixture
def baseline(tmp_path: Path) -> Baseline:
    path = tmp_path / "old.json"
    path.write_text(json.dumps(result(kernels=5.0).to_dict()), "utf-8")
    return Baseline.load(path)


def test_verdicts_and_ratios(baseline: Baseline) -> None:
    made = result()
    verdicts = judge([Budget.parse("size_kb<=1e6"), Budget.parse("size_kb<=1")], made)
    sections = report(made, verdicts, compare(made, baseline, 1.15))
    shown, page = render(sections), render(sections, markdown=True)
    assert re.search(r"^int8\.litert:size_kb<=1e\+06 +\d+ +ok$", shown, re.MULTILINE)
    assert re.search(r"^int8\.litert:size_kb<=1 +\d+ +missed$", shown, re.MULTILINE)
    assert re.search(r"^features +2\.000 +2\.000 +2\.000 +slower$", shown, re.MULTILINE)
    assert re.search(r"^\| int8\.litert:size_kb<=1 +\| +\d+ \| +missed \|$", page, re.MULTILINE)
    assert re.search(r"^\| features +(\| +2\.000 ){3}\| +slower \|$", page, re.MULTILINE)


def test_a_baseline_of_another_machine(baseline: Baseline) -> None:
    made = result()
    setting = replace(made.setting, machine=replace(made.setting.machine, cpu="Abacus"))
    shown = text(made, (), compare(replace(made, setting=setting), baseline, 1.15))
    assert "cpu was Raspberry Pi 4 Model B Rev 1.1, is Abacus" in shown
    assert "another unit" in shown
    assert "  slower" not in shown


def test_markdown_has_the_cells_of_the_text() -> None:
    sections = report(result())
    page = render(sections, markdown=True)
    assert page.startswith("## ser-edge bench: pretrained\n\n- bundle")
    tables = re.findall(r"(?:^\|.*\|\n)+", page, re.MULTILINE)
    assert len(tables) == 4
    for table in tables:
        header, rule, *rows = table.splitlines()
        assert {line.count("|") for line in (header, rule, *rows)} == {header.count("|")}
        assert set(rule) <= set("|:- ")
        for row in rows:
            cells = [cell.strip() for cell in row.strip("|").split("|")]
            assert "  ".join(cells) in re.sub(" {2,}", "  ", render(sections))
