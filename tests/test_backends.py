"""The backends on the golden clips; missing and broken interpreters, damaged models."""

import ast
import copy
import hashlib
import json
import pickle
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import HERE, bundle_precisions, parameter
from raising import raises

from ser_edge import Bundle, Classifier
from ser_edge.audio import as_signal
from ser_edge.backends import INTERPRETERS, open_model
from ser_edge.backends.onnx import OnnxModel
from ser_edge.errors import BackendError, BundleError, ConfigError
from ser_edge.frontend import Frontend

Edit = Callable[[Callable[[dict[str, Any]], object]], Path]
Fresh = Callable[..., subprocess.CompletedProcess[str]]

ROOT = Path(__file__).parents[1]

# Measured against Keras' probabilities: float32 5e-7; int8 0.064 in LiteRT, 0.043 in tflite-runtime
# and 0.075 in ONNX Runtime; two of the clips lie between emotions.
TOLERANCE = {"float32": 1e-5, "int8": 0.12}
# Measured: 1.5e-4, from float32 sums in another order, in coefficients near -1000.
FEATURES = 1e-3

# In a new process: tflite-runtime fails where TensorFlow was imported, as other tests do.
GOLDEN_PROBABILITIES = """
import json, sys, numpy as np
from ser_edge import Classifier
folder, backend, precision = sys.argv[1:]
classifier = Classifier.load(folder, backend=backend, precision=precision)
golden = np.load(folder + "/golden.npz")
outputs = [classifier.probabilities(golden[f"clip{i}_inputs"]).mean(axis=0) for i in range(3)]
print(json.dumps([output.tolist() for output in outputs]), classifier.backend.version, sep="\\n")
"""


@pytest.mark.parametrize(("backend", "precision"), bundle_precisions(*INTERPRETERS))
def test_golden_probabilities(
    bundle_dir: Path, golden: dict[str, Any], fresh: Fresh, backend: str, precision: str
) -> None:
    done = fresh(GOLDEN_PROBABILITIES, bundle_dir, backend, precision, check=True)
    outputs, version = done.stdout.splitlines()
    assert version.split()[0] == INTERPRETERS[backend].package.replace("_", "-")
    for i, found in enumerate(json.loads(outputs)):
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


def model_path(folder: Path, backend: str, precision: str) -> Path:
    return folder / f"model.{precision}{INTERPRETERS[backend].suffix}"


@pytest.mark.parametrize(("backend", "precision"), bundle_precisions(*HERE))
def test_inputs_of_another_shape(bundle_dir: Path, backend: str, precision: str) -> None:
    path = model_path(bundle_dir, backend, precision)
    model = open_model(path.read_bytes(), backend, path, threads=2)
    assert model.run(np.zeros((2, 130, 22), np.float32)).shape == (2, 7)
    for shape in ((1, 108, 22), (1, 2376, 1), (130, 22), (1, 130, 22, 1)):
        with raises(BackendError, "(130, 22)", shape[1:], source=path):
            model.run(np.zeros(shape, np.float32))


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "text": lambda content: b"no model at all\n" * 100,
    "half": lambda content: content[: len(content) // 2],
    "zeros": lambda content: bytes(len(content)),
    "start": lambda content: b"\xff" * 64 + content[64:],
}


def damaged(edited_bundle: Edit, name: str, damage: Callable[[bytes], bytes]) -> Path:
    """Damage a model file, with the digest of the damaged file in the manifest."""

    def with_digest(manifest: dict[str, Any]) -> None:
        for model in manifest["models"]:
            if model["file"] == name:
                model |= {"sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content)}

    content = damage((edited_bundle(lambda manifest: None) / name).read_bytes())
    folder = edited_bundle(with_digest)
    (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(("backend", "precision"), bundle_precisions(*HERE))
def test_damaged_models_with_their_digest_in_the_manifest(
    edited_bundle: Edit, backend: str, precision: str, damage: str
) -> None:
    file = model_path(Path(), backend, precision).name
    folder = damaged(edited_bundle, file, DAMAGES[damage])
    with raises(BackendError, INTERPRETERS[backend].package, "--backend", source=folder / file):
        Classifier.load(folder, backend=backend, precision=precision)


def test_tflite_runtime_refuses_them_too(edited_bundle: Edit, fresh: Fresh) -> None:
    if not INTERPRETERS["tflite"].usable:
        pytest.skip("no tflite_runtime")
    folder = damaged(edited_bundle, "model.int8.tflite", DAMAGES["zeros"])
    code = (
        "import sys; from ser_edge import Classifier, BackendError\n"
        "try: Classifier.load(sys.argv[1], backend='tflite', precision='int8')\n"
        "except BackendError as error: print(error)"
    )
    done = fresh(code, folder)
    assert done.stdout.startswith(f"{folder / 'model.int8.tflite'}: tflite_runtime "), done.stderr


@pytest.mark.parametrize("backend", ["litert", "tflite", "onnx"])
def test_a_missing_interpreter_is_named(bundle_dir: Path, fresh: Fresh, backend: str) -> None:
    interpreter = INTERPRETERS[backend]
    code = (
        "import sys; sys.modules[sys.argv[2]] = None\n"
        "from ser_edge import Classifier, BackendError\n"
        "try: Classifier.load(sys.argv[1], backend=sys.argv[3])\n"
        "except BackendError as error: print(error.problem, error.remedy, sep='\\n')"
    )
    done = fresh(code, bundle_dir, interpreter.package, backend)
    problem, remedy = done.stdout.splitlines()
    assert backend in problem
    assert interpreter.package in problem
    assert remedy == f"pip install 'ser-edge[{interpreter.extra}]'"


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("raise ImportError('libm.so.6: version `GLIBC_2.38` not found\\nmore')", "libm.so.6: ver"),
        ("import a_dependency_that_is_missing", "No module named 'a_dependency"),
        ("raise OSError(28, 'No space left on device')", "[Errno 28] No space left on device"),
        ("raise AttributeError('_ARRAY_API not found')", "_ARRAY_API not found"),
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


def test_an_unknown_backend_is_named(bundle_dir: Path) -> None:
    with raises(ConfigError, "backend='torch'", "litert"):
        open_model(b"", "torch", bundle_dir / "model.float32.npz")


def test_a_changed_model_is_not_opened(edited_bundle: Edit) -> None:
    folder = edited_bundle(lambda m: None)
    with (folder / "model.int8.onnx").open("r+b") as file:
        file.write(b"x")
    with raises(BundleError, "sha256"):
        Classifier.load(folder, backend="onnx")


def test_an_onnx_model_with_other_inputs_and_one_that_fails() -> None:
    def fail(*_: object) -> None:
        raise LookupError("no kernel")

    one = SimpleNamespace(name="x", shape=[1, 4])
    session = SimpleNamespace(get_inputs=lambda: [one, one], get_outputs=lambda: [one], run=fail)
    with raises(BackendError, "2 inputs", source="m.onnx"):
        OnnxModel(session, "m.onnx", "1")
    session.get_inputs = lambda: [one]
    with raises(BackendError, "no kernel", source="m.onnx"):
        OnnxModel(session, "m.onnx", "1").run(np.zeros((1, 4), np.float32))


@pytest.mark.parametrize(
    ("backend", "name"), [parameter("litert", "TFLiteModel"), parameter("onnx", "OnnxModel")]
)
def test_an_interpreter_cannot_be_pickled(bundle_dir: Path, backend: str, name: str) -> None:
    path = model_path(bundle_dir, backend, "int8")
    model = open_model(path.read_bytes(), backend, path)
    for function in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError) as caught:
            function(model)
        assert name in str(caught.value)


FAKE_ONNX_RUNTIME = """
import os
raise ImportError("telemetry disabled: " + os.environ.get("ORT_DISABLE_TELEMETRY", "no"))
"""
USES = {
    "ser_edge": "from ser_edge import Classifier as c; c.load(sys.argv[1], backend='onnx')",
    "ser_edge_export": "from ser_edge_export.onnx_precision import dynamic; dynamic(None)",
}


@pytest.mark.parametrize(
    ("package", "set_to", "found"),
    [("ser_edge", None, "1"), ("ser_edge", "0", "0"), ("ser_edge_export", None, "1")],
)
def test_onnx_runtime_is_imported_with_its_telemetry_off(
    tmp_path: Path,
    bundle_dir: Path,
    fresh: Fresh,
    monkeypatch: pytest.MonkeyPatch,
    package: str,
    set_to: str | None,
    found: str,
) -> None:
    if package == "ser_edge_export":
        pytest.importorskip("onnx")
    (tmp_path / "onnxruntime").mkdir()
    (tmp_path / "onnxruntime" / "__init__.py").write_text(FAKE_ONNX_RUNTIME)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    if set_to:
        monkeypatch.setenv("ORT_DISABLE_TELEMETRY", set_to)
    code = f"import sys\ntry: {USES[package]}\nexcept Exception as error: print(error)"
    assert f"telemetry disabled: {found}" in fresh(code, bundle_dir).stdout


def test_onnx_runtime_is_imported_in_one_place() -> None:
    found = set()
    for package in ("ser_edge", "train", "export"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom):
                    names = [node.module or ""]
                if any(name.partition(".")[0] == "onnxruntime" for name in names):
                    found.add(path.relative_to(ROOT).as_posix())
    # The others call `import_onnxruntime` of the first before it; the test above checks one.
    exporting = {f"export/ser_edge_export/{name}.py" for name in ("onnx_network", "onnx_precision")}
    assert found == {"ser_edge/backends/onnx.py", *exporting}
