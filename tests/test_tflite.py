"""TFLite models: int8 input and output, failures of an interpreter, NumPy 1 and 2."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from raising import raises

from ser_edge.backends import INTERPRETERS, open_model
from ser_edge.backends.tflite import TFLiteModel, dequantise, quantise
from ser_edge.errors import BackendError


def tensor(dtype: type, scale: float = 0.5, zero_point: int = 0) -> dict[str, Any]:
    return {"dtype": dtype, "quantization": (scale, zero_point)}


@pytest.mark.parametrize(
    ("values", "held", "expected"),
    [
        ([0.0, 0.5, -0.5, 1.0], tensor(np.int8), [0, 1, -1, 2]),
        ([0.24, 0.26, -0.24, -0.26], tensor(np.int8), [0, 1, 0, -1]),
        ([0.25, 0.75, -0.25], tensor(np.int8), [0, 2, 0]),
        ([63.5, 64.0, 1e9, -64.0, -64.5, -1e9], tensor(np.int8), [127, 127, 127, -128, -128, -128]),
        ([0.0, 1.0, -100.0, 100.0], tensor(np.int8, 0.5, -100), [-100, -98, -128, 100]),
        ([0.0, -1.0, 200.0], tensor(np.uint8, 1.0, 128), [128, 127, 255]),
        ([0.1, 0.2], tensor(np.float32, 0.0), np.array([0.1, 0.2], np.float32)),
    ],
)
def test_quantise(values: list[float], held: dict[str, Any], expected: Any) -> None:
    found = quantise(np.array(values, np.float32), held)
    assert found.dtype == held["dtype"]
    np.testing.assert_array_equal(found, expected)


def test_dequantise_is_its_inverse(rng: np.random.Generator) -> None:
    held = tensor(np.int8, 0.037, -11)
    levels = np.arange(-128, 128).astype(np.int8)
    values = dequantise(levels, held)
    assert values.dtype == np.float32
    assert values[128 - 11] == 0
    np.testing.assert_array_equal(quantise(values, held), levels)
    x = rng.uniform(-4, 5, 1000).astype(np.float32)
    assert np.abs(dequantise(quantise(x, held), held) - x).max() <= 0.037 / 2 + 1e-6
    floats = rng.uniform(-1, 1, 5).astype(np.float32)
    assert dequantise(floats, tensor(np.float32, 0.0)) is floats


class Interpreter:
    """A TFLite interpreter of an int8 model whose logits are the first three inputs, doubled."""

    def __init__(self, n_inputs: int = 1, failure: Exception | None = None) -> None:
        held = {"shape": np.array([1, 4]), "index": 0, **tensor(np.int8, 0.1, 5)}
        self._inputs = [held] * n_inputs
        self._failure = failure

    def get_input_details(self) -> list[dict[str, Any]]:
        return self._inputs

    def get_output_details(self) -> list[dict[str, Any]]:
        return [{"index": 1, **tensor(np.int8, 0.2, 5)}]

    def set_tensor(self, index: int, values: np.ndarray[Any, Any]) -> None:
        assert (index, values.shape, values.dtype) == (0, (1, 4), np.int8)
        self._values = values

    def invoke(self) -> None:
        if self._failure:
            raise self._failure

    def get_tensor(self, index: int) -> np.ndarray[Any, Any]:
        assert index == 1
        return self._values[:, :3]


def test_int8_tensors_are_scaled_on_both_sides() -> None:
    logits = TFLiteModel(Interpreter, "m.tflite", "ai_edge_litert").run(
        np.array([[0.1, -0.2, 99, 0], [1.0, 0, 0, 0]], np.float32)
    )
    np.testing.assert_allclose(logits, [[0.2, -0.4, 24.4], [2.0, 0, 0]], rtol=1e-6)


def test_a_model_with_other_inputs_and_one_that_fails() -> None:
    with raises(BackendError, "2 inputs", source="m.tflite"):
        TFLiteModel(lambda: Interpreter(n_inputs=2), "m.tflite", "ai_edge_litert")
    failing = TFLiteModel(
        lambda: Interpreter(failure=RuntimeError("node 3\nfailed")), "m.tflite", ""
    )
    with raises(BackendError, "node 3", source="m.tflite"):
        failing.run(np.zeros((1, 4), np.float32))


def test_tflite_runtime_needs_the_older_numpy(
    monkeypatch: pytest.MonkeyPatch, bundle_dir: Path
) -> None:
    if find_spec("tflite_runtime") is None:
        pytest.skip("no tflite_runtime")
    monkeypatch.setattr("ser_edge.backends.interpreters._NUMPY", 2)
    assert not INTERPRETERS["tflite"].usable
    with raises(BackendError, "tflite_runtime", "NumPy 1", "numpy<2"):
        open_model(b"", "tflite", bundle_dir / "model.float32.tflite")
