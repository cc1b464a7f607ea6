"""The interpreters against the golden clips; missing, broken and damaged ones."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ser_edge import Bundle, Classifier
from ser_edge.audio import as_signal
from ser_edge.backends import INTERPRETERS, open_model
from ser_edge.backends.onnx import OnnxModel
from ser_edge.backends.tflite import TFLiteModel, dequantise, quantise
from ser_edge.errors import BackendError, BundleError
from ser_edge.frontend import Frontend

Edit = Callable[[Callable[[dict[str, Any]], object]], Path]
Fresh = Callable[..., subprocess.CompletedProcess[str]]

# Measured against Keras' probabilities: float32 5e-7; int8 0.064 in LiteRT, 0.043 in tflite-runtime
# and 0.075 in ONNX Runtime, on clips of which two lie between emotions.
TOLERANCE = {"float32": 1e-5, "int8": 0.12}
# Measured: 1.5e-4, what float32 sums in another order make of coefficients near -1000.
FEATURES = 1e-3

# tflite-runtime fails in a process that has imported TensorFlow, as other tests do.
GOLDEN_PROBABILITIES = """
import json, sys, numpy as np
from ser_edge import Classifier
folder, backend, precision = sys.argv[1:]
classifier = Classifier.load(folder, backend=backend, precision=precision)
golden = np.load(folder + "/golden.npz")
answers = [classifier.probabilities(golden[f"clip{i}_inputs"]).mean(axis=0) for i in range(3)]
print(json.dumps([answer.tolist() for answer in answers]), classifier.backend.version, sep="\\n")
"""


def backends() -> list[Any]:
    return [
        pytest.param(
            name,
            marks=pytest.mark.skipif(not interpreter.usable, reason=f"no {interpreter.package}"),
        )
        for name, interpreter in INTERPRETERS.items()
    ]


@pytest.mark.parametrize("precision", TOLERANCE)
@pytest.mark.parametrize("backend", backends())
def test_golden_probabilities(
    bundle_dir: Path, golden: dict[str, Any], fresh: Fresh, backend: str, precision: str
) -> None:
    done = fresh(GOLDEN_PROBABILITIES, bundle_dir, backend, precision, check=True)
    answers, version = done.stdout.splitlines()
    assert version.split()[0] == INTERPRETERS[backend].package.replace("_", "-")
    for i, found in enumerate(json.loads(answers)):
        expected = golden[f"clip{i}_probabilities"]
        np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE[precision])


@pytest.mark.parametrize("number", range(3))
def test_golden_stages(bundle_dir: Path, golden: dict[str, Any], number: int) -> None:
    config = Bundle.open(bundle_dir).manifest.input
    samples = as_signal(golden[f"clip{number}_samples"])
    features, starts = Frontend(config.features, config.window)(samples)
    np.testing.assert_array_equal(starts, golden[f"clip{number}_starts"])
    np.testing.assert_allclose(features, golden[f"clip{number}_features"], rtol=0, atol=FEATURES)
    np.testing.assert_allclose(
        config.network_inputs(golden[f"clip{number}_features"]),
        golden[f"clip{number}_inputs"],
        rtol=0,
        atol=1e-6,
    )


@pytest.mark.parametrize("backend", ["litert", "onnx"])
def test_threads_share_a_model(bundle_dir: Path, golden: dict[str, Any], backend: str) -> None:
    classifier = Classifier.load(bundle_dir, backend=backend)
    inputs = [golden[f"clip{i % 3}_inputs"] * (1 + i / 40) for i in range(40)]
    expected = [classifier.backend.run(x) for x in inputs]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            for found, wanted in zip(
                pool.map(classifier.backend.run, inputs), expected, strict=True
            ):
                np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("backend", ["litert", "onnx"])
def test_inputs_of_another_shape(bundle_dir: Path, backend: str) -> None:
    model = open_model(bundle_dir / f"model.int8{INTERPRETERS[backend].suffix}", backend)
    assert model.run(np.zeros((2, 130, 22), np.float32)).shape == (2, 7)
    for shape in ((1, 108, 22), (1, 2376, 1), (130, 22), (1, 130, 22, 1)):
        with pytest.raises(
            BackendError, match=r"takes inputs of shape \(130, 22\), not \("
        ) as caught:
            model.run(np.zeros(shape, np.float32))
        assert str(shape[1:]) in str(caught.value)


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "text": lambda content: b"no model at all\n" * 100,
    "half": lambda content: content[: len(content) // 2],
    "zeros": lambda content: bytes(len(content)),
    "start": lambda content: b"\xff" * 64 + content[64:],
}


def damaged(edited_bundle: Edit, suffix: str, damage: Callable[[bytes], bytes]) -> Path:
    """Damage the int8 models so that the manifest vouches for the damage."""

    def vouch(manifest: dict[str, Any]) -> None:
        for model in manifest["models"]:
            if model["file"] == f"model.int8{suffix}":
                model |= {"sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content)}

    path = edited_bundle(lambda manifest: None) / f"model.int8{suffix}"
    content = damage(path.read_bytes())
    folder = edited_bundle(vouch)
    (folder / path.name).write_bytes(content)
    return folder


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("backend", ["litert", "onnx"])
def test_models_that_the_manifest_vouches_for(
    edited_bundle: Edit, backend: str, damage: str
) -> None:
    suffix = INTERPRETERS[backend].suffix
    folder = damaged(edited_bundle, suffix, DAMAGES[damage])
    with pytest.raises(BackendError, match=rf"cannot open model\.int8\{suffix}: ") as caught:
        Classifier.load(folder, backend=backend)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith("; export it again, or choose another --backend")


def test_tflite_runtime_refuses_them_too(edited_bundle: Edit, fresh: Fresh) -> None:
    if not INTERPRETERS["tflite"].usable:
        pytest.skip("no tflite_runtime")
    folder = damaged(edited_bundle, ".tflite", DAMAGES["zeros"])
    code = (
        "import sys; from ser_edge import Classifier, BackendError\n"
        "try: Classifier.load(sys.argv[1], backend='tflite', precision='int8')\n"
        "except BackendError as error: print(error)"
    )
    done = fresh(code, folder)
    assert done.stdout.startswith("tflite_runtime cannot open model.int8.tflite: "), done.stderr


@pytest.mark.parametrize("backend", INTERPRETERS)
def test_a_missing_interpreter_is_named(bundle_dir: Path, fresh: Fresh, backend: str) -> None:
    interpreter = INTERPRETERS[backend]
    code = (
        "import sys; sys.modules[sys.argv[2]] = None\n"
        "from ser_edge import Classifier, BackendError\n"
        "try: Classifier.load(sys.argv[1], backend=sys.argv[3])\n"
        "except BackendError as error: print(error)"
    )
    done = fresh(code, bundle_dir, interpreter.package, backend)
    assert done.stdout == (
        f"the {backend} backend needs {interpreter.package}, which is not installed; "
        f"pip install 'ser-edge[{interpreter.extra}]'\n"
    ), done.stderr


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ("", "litert model.int8.tflite"),
        ("ai_edge_litert", "tflite model.float32.tflite"),
        ("ai_edge_litert tflite_runtime", "onnx model.int8.onnx"),
        (
            "ai_edge_litert tflite_runtime onnxruntime",
            "no usable interpreter is installed; pip install 'ser-edge[litert]' (or [onnx], or "
            "[tflite] on Python 3.10 and 3.11)",
        ),
    ],
)
def test_the_first_usable_interpreter_is_taken(
    bundle_dir: Path, fresh: Fresh, missing: str, expected: str
) -> None:
    if expected.startswith("tflite") and not INTERPRETERS["tflite"].usable:
        expected = "onnx model.int8.onnx"
    code = (
        "import sys; sys.modules.update(dict.fromkeys(sys.argv[2].split()))\n"
        "from ser_edge import Classifier, BackendError\n"
        "try: c = Classifier.load(sys.argv[1]); print(c.backend_name, c.model.file)\n"
        "except BackendError as error: print(error)"
    )
    assert fresh(code, bundle_dir, missing).stdout.strip() == expected


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("raise ImportError('libm.so.6: version `GLIBC_2.38` not found\\nmore')", "libm.so.6: ver"),
        ("import a_dependency_that_is_missing", "No module named 'a_dependency"),
    ],
)
def test_an_interpreter_that_does_not_load(
    tmp_path: Path, bundle_dir: Path, fresh: Fresh, statement: str, reason: str
) -> None:
    (tmp_path / "onnxruntime.py").write_text(statement)
    code = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from ser_edge import Classifier, BackendError\n"
        "try: Classifier.load(sys.argv[1], backend='onnx')\n"
        "except BackendError as error: print(error)"
    )
    done = fresh(code, bundle_dir, tmp_path)
    assert done.stdout.startswith(f"onnxruntime is installed but does not load: {reason}")
    assert done.stdout.count("\n") == 1


def test_tflite_runtime_needs_the_older_numpy(
    monkeypatch: pytest.MonkeyPatch, bundle_dir: Path
) -> None:
    if find_spec("tflite_runtime") is None:
        pytest.skip("no tflite_runtime")
    monkeypatch.setattr("ser_edge.backends._NUMPY", 2)
    assert not INTERPRETERS["tflite"].usable
    with pytest.raises(BackendError, match="tflite_runtime was built for NumPy 1, and NumPy is"):
        open_model(bundle_dir / "model.float32.tflite", "tflite")
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    assert Classifier.load(bundle_dir).backend_name == "onnx"


def test_a_bundle_without_a_fitting_file(edited_bundle: Edit) -> None:
    folder = edited_bundle(lambda m: m.update(models=[m["models"][1]]))
    assert Classifier.load(folder).backend_name == "onnx"
    with pytest.raises(BackendError, match=r"holds no model file for litert, only model\.float32"):
        Classifier.load(folder, backend="litert")
    with pytest.raises(BackendError, match=r"holds no int8 file for litert or .*onnx, only"):
        Classifier.load(folder, precision="int8")


def test_a_changed_model_is_not_opened(edited_bundle: Edit) -> None:
    folder = edited_bundle(lambda m: None)
    with (folder / "model.int8.onnx").open("r+b") as file:
        file.write(b"x")
    with pytest.raises(BundleError, match="is damaged or was changed"):
        Classifier.load(folder, backend="onnx")


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
    logits = TFLiteModel(Interpreter(), "m.tflite", "ai_edge_litert").run(
        np.array([[0.1, -0.2, 99, 0], [1.0, 0, 0, 0]], np.float32)
    )
    np.testing.assert_allclose(logits, [[0.2, -0.4, 24.4], [2.0, 0, 0]], rtol=1e-6)


def test_models_with_other_inputs_and_failing_models() -> None:
    with pytest.raises(BackendError, match=r"m\.tflite has 2 inputs and 1 outputs; expected one"):
        TFLiteModel(Interpreter(n_inputs=2), "m.tflite", "ai_edge_litert")
    failing = TFLiteModel(Interpreter(failure=RuntimeError("node 3\nfailed")), "m.tflite", "")
    with pytest.raises(BackendError, match=r"^m\.tflite fails: node 3; export it again"):
        failing.run(np.zeros((1, 4), np.float32))

    def fail(*_: object) -> None:
        raise LookupError("no kernel")

    one = SimpleNamespace(name="x", shape=[1, 4])
    session = SimpleNamespace(get_inputs=lambda: [one, one], get_outputs=lambda: [one], run=fail)
    with pytest.raises(BackendError, match=r"m\.onnx has 2 inputs and 1 outputs; expected one"):
        OnnxModel(session, "m.onnx", "1")
    session.get_inputs = lambda: [one]
    with pytest.raises(BackendError, match=r"^m\.onnx fails: no kernel; export it again"):
        OnnxModel(session, "m.onnx", "1").run(np.zeros((1, 4), np.float32))
