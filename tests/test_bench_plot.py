"""The plot: a picture for one variant and for several, written whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from measured import result

from ser_edge_bench.plot import plot_result

pytest.importorskip("matplotlib")

MANY = [f"{p}.{b}" for b in ("litert", "tflite", "onnx") for p in ("int8", "float32", "x")]


@pytest.mark.parametrize(
    ("names", "panels"),
    [
        (["float32.numeric"], ["stages (median)", "spread: median", "features", "2 ms"]),
        (MANY, ["stages (median)", "size, time and accuracy", "int8.onnx, UAR 61.0%"]),
    ],
)
def test_a_picture(tmp_path: Path, names: list[str], panels: list[str]) -> None:
    made = result(*names)
    plot_result(tmp_path / "bench.png", made)
    assert (tmp_path / "bench.png").read_bytes().startswith(b"\x89PNG")
    plot_result(tmp_path / "bench.svg", made)
    picture = (tmp_path / "bench.svg").read_text("utf-8")
    for words in panels:
        assert f"<!-- {words}" in picture
    assert {path.name for path in tmp_path.iterdir()} == {"bench.png", "bench.svg"}


@pytest.mark.parametrize("names", [MANY[:1], MANY])
def test_audio_variants_and_unknown_accuracy(tmp_path: Path, names: list[str]) -> None:
    made = result(*names)
    first, *others = (replace(variant, uar=None) for variant in made.variants)
    metrics = {n: None if n.startswith("features") else v for n, v in first.metrics.items()}
    audio = replace(first, input_kind="audio", metrics=metrics)
    plot_result(tmp_path / "bench.svg", replace(made, variants=(audio, *others)))
    assert "UAR" not in (tmp_path / "bench.svg").read_text("utf-8")
