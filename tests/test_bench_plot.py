"""The picture: that it is one, for any number of variants, and that it appears whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from measured import result

from ser_edge_bench.plot import plot_result

pytest.importorskip("matplotlib")


@pytest.mark.parametrize(
    "names",
    [
        ("float32.numeric",),
        tuple(f"{p}.{b}" for b in ("litert", "tflite", "onnx") for p in ("int8", "float32", "x")),
    ],
)
def test_it_is_a_picture(tmp_path: Path, names: tuple[str, ...]) -> None:
    path = tmp_path / "bench.png"
    made = result(*names)
    plot_result(path, made)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert list(tmp_path.iterdir()) == [path]
    unknown = tuple(replace(variant, uar=None) for variant in made.variants)
    plot_result(tmp_path / "bench.svg", replace(made, variants=unknown))
    assert "UAR" not in (tmp_path / "bench.svg").read_text("utf-8")
