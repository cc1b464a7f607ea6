"""Model files in a process of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from conftest import needs
from raising import raises

from ser_edge.errors import BackendError
from ser_edge.manifest import ModelFile
from ser_edge.prediction import softmax
from ser_edge_train import variant_comparison
from ser_edge_train.run import HeldOut
from ser_edge_train.variant_comparison import Reference, run_model_file


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


def test_probabilities_of_an_audio_file_are_compared_as_such(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: Any
) -> None:
    """Those below 1e-12 have no logarithm worth comparing, in the file or in the network."""
    logits = (30 * rng.standard_normal((6, 3))).astype(np.float32)
    held_out = HeldOut(
        y_true=logits.argmax(axis=1),
        speakers=np.array(list("aabbcc")),
        corpora=np.array(["c"] * 6),
        seconds=np.ones(6),
        features=np.zeros((6, 4, 2), np.float32),
        clip=np.arange(6),
    )
    windows = {"audio": np.zeros((6, 100), np.float32)}
    reference = Reference(held_out, windows, logits, ("x", "y", "z"), 1.0)
    model = ModelFile("audio.float32.onnx", "float32", "audio", 64 * "0", 1)
    for factor, is_same in ((1.0, True), (0.5, False)):
        outputs = softmax(factor * logits).astype(np.float32)
        monkeypatch.setattr(variant_comparison, "run_model_file", lambda *_, o=outputs: (o, 1.0))
        result = reference.compare(tmp_path, model, "onnx")
        assert result.agreement == 1
        assert result.snr_db is not None
        assert (result.snr_db > 90) == is_same
