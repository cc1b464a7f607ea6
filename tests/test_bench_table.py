"""A result laid out: what stands there, and how wide it is."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from measured import STATE, result, variant

from ser_edge_bench.baseline import Baseline, compare
from ser_edge_bench.budget import Budget, judged
from ser_edge_bench.result import Result
from ser_edge_bench.table import as_markdown, as_text

LONG = ("int8-io.litert", "float32.numeric", "dynamic.tflite")


def test_it_fits_a_terminal() -> None:
    versions = {f"some-long-distribution-{i}": "12.34.56" for i in range(9)}
    made = result(*LONG)
    made = replace(made, setting=replace(made.setting, versions=versions), interrupted=0.5)
    text = as_text(made)
    assert max(map(len, text.splitlines())) <= 100
    assert "50% of the calls were interrupted" in text
    assert not re.search(r" $", text, re.MULTILINE)


def test_all_is_told() -> None:
    text = as_text(result())
    for told in (
        "Raspberry Pi 4 Model B Rev 1.1, 4 cores, Linux on aarch64",
        "governor ondemand, 1800 to 1800 MHz, 61.2 to 61.2 °C, load 0.4, not throttled",
        "golden clip 1, 3.00 s at 48000 Hz, 1 window",
        "3 processes of 3 rounds, 1 thread, on CPU 3",
        "digest 0123456789ab",
        "int8.litert *",
        "int8.tflite was not measured: no such op",
        "onnx was not tried: not installed; pip install 'ser-edge[onnx]'",
    ):
        assert told in text
    assert "interrupted" not in text


def test_numbers_stand_below_their_names() -> None:
    lines = as_text(result()).splitlines()
    at = lines.index("end to end, ms")
    header, row = lines[at + 1], lines[at + 2]
    metrics = variant("int8.litert").metrics
    end = header.index("p95") + len("p95")
    assert row[:end].split()[-1] == f"{metrics['end_to_end.p95_ms']:.1f}"


def test_what_is_not_known_is_a_dash() -> None:
    made = result("int8.litert")
    metrics = {**made.variants[0].metrics, "memory_mb": None, "peak_mb": None}
    changed = replace(made.variants[0], metrics=metrics, uar=None, golden="unknown")
    dumb = replace(STATE, governor=None, mhz=None, temperature_c=None, throttled=None, load=None)
    text = as_text(
        replace(made, variants=(changed,), before=dumb, after=dumb, interrupted=None, cpus=())
    )
    assert "the system does not tell" in text
    assert "on any CPU" in text
    row = next(line for line in text.splitlines() if re.search(r"unknown +-$", line))
    assert row.split().count("-") == 3


def test_a_file_that_takes_samples_has_its_features_inside() -> None:
    made = result("int8.litert")
    metrics = {
        n: None if n.startswith("features") else v for n, v in variant("a.b").metrics.items()
    }
    audio = replace(made.variants[0], input_kind="audio", metrics=metrics)
    assert "features" not in as_text(replace(made, variants=(audio,)))
    assert "features" in as_text(replace(made, variants=(audio, made.variants[0])))


def test_what_is_wrong_is_said() -> None:
    made = result()
    off = replace(made.variants[0], golden="deviates", golden_detail="up to 0.5 from the stored")
    hot = replace(STATE, throttled=("throttled", "earlier: under-voltage"))
    text = as_text(replace(made, variants=(off, *made.variants[1:]), after=hot))
    assert "int8.litert: up to 0.5 from the stored" in text
    assert "slowed down: throttled, earlier: under-voltage" in text
    assert "off by" in text


@pytest.fixture
def slower(tmp_path: Path) -> tuple[Result, Baseline]:
    import json

    path = tmp_path / "old.json"
    path.write_text(json.dumps(result(kernels=5.0).to_dict()), "utf-8")
    return result(), Baseline.load(path)


def test_verdicts_and_ratios(slower: tuple[Result, Baseline]) -> None:
    made, baseline = slower
    verdicts = judged(
        [Budget.parse("size_kb<=1e6"), Budget.parse("size_kb<=1")],
        {v.name: v.metrics for v in made.variants},
        made.default,
    )
    found = compare(made, baseline, 1.15)
    text = as_text(made, verdicts, found)
    assert re.search(r"^ok +int8\.litert:size_kb is \d+, within", text, re.MULTILINE)
    assert re.search(r"^over +int8\.litert:size_kb is \d+, .* over its budget", text, re.MULTILINE)
    assert re.search(r"^features +2\.000 +2\.000 +2\.000 +slower$", text, re.MULTILINE)
    page = as_markdown(made, verdicts, found)
    assert "- ok: int8.litert:size_kb is" in page
    assert "- **over**: int8.litert:size_kb is" in page
    assert "| features | 2.000 | 2.000 | 2.000 | slower |" in page


def test_a_baseline_of_another_machine(slower: tuple[Result, Baseline]) -> None:
    made, baseline = slower
    setting = made.setting
    other = replace(setting, machine=replace(setting.machine, cpu="another"))
    text = as_text(made, (), compare(replace(made, setting=other), baseline, 1.15))
    assert "another cpu: Raspberry Pi 4 Model B Rev 1.1, now another" in text
    assert "none of them fails" in text
    assert not re.search(r"slower$", text, re.MULTILINE)


def test_markdown_tables_are_whole() -> None:
    page = as_markdown(result())
    assert page.startswith("## ser-edge bench: pretrained\n")
    tables = re.findall(r"(?:^\|.*\|\n)+", page, re.MULTILINE)
    assert len(tables) == 4
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1
    assert "kB" in page
    assert "- \\* what" in page
