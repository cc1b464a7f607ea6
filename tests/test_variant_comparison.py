"""Model files in a process of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from conftest import needs
from raising import raises

from ser_edge.errors import BackendError
from ser_edge_train import variant_comparison
from ser_edge_train.variant_comparison import run_model_file


@needs("onnx")
def test_outputs_and_latency_of_a_file(bundle_dir: Path, golden: dict[str, Any]) -> None:
    inputs = golden["clip2_inputs"]
    outputs, latency_ms = run_model_file(bundle_dir / "model.float32.onnx", "onnx", inputs)
    np.testing.assert_allclose(outputs, golden["clip2_output_model.float32.onnx"], atol=1e-4)
    assert latency_ms > 0


def test_a_file_that_cannot_be_opened(tmp_path: Path, golden: dict[str, Any]) -> None:
    path = tmp_path / "model.float32.npz"
    path.write_bytes(b"PK no")
    with raises(BackendError, "numeric", source=path) as caught:
        run_model_file(path, "numeric", golden["clip0_inputs"])
    assert caught.value.remedy


def test_a_process_that_hangs(bundle_dir: Path, golden: dict[str, Any], monkeypatch: Any) -> None:
    monkeypatch.setattr(variant_comparison, "_TIMEOUT_S", 0.001)
    path = bundle_dir / "model.float32.npz"
    with raises(BackendError, "0.001", source=path):
        run_model_file(path, "numeric", golden["clip0_inputs"])
