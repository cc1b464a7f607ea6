"""The choice of interpreter and model file: by installation, bundle and request."""

import logging
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from raising import raises

from ser_edge import Bundle, Classifier
from ser_edge.backends import INTERPRETERS, Interpreter, selection
from ser_edge.backends.selection import model_for, open_bundle
from ser_edge.choices import BACKENDS
from ser_edge.errors import BackendError, BundleError

Edit = Callable[[Callable[[dict[str, Any]], object]], Path]
Fresh = Callable[..., subprocess.CompletedProcess[str]]
ALL = "litert tflite onnx"


@pytest.fixture
def bundle(bundle_dir: Path) -> Bundle:
    return Bundle.open(bundle_dir)


@pytest.fixture
def opens(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set which interpreters are usable, and which of them refuse every file."""

    def arrange(usable: str, refusing: str = "") -> None:
        packages = {INTERPRETERS[name].package for name in [*usable.split(), "numeric"]}

        def open_model(content: bytes, backend: str, source: Path, *, threads: int) -> str:
            if backend in refusing.split():
                raise BackendError(f"{backend} refuses", "install it again")
            return f"{backend} {source.name} {threads}"

        monkeypatch.setattr(Interpreter, "usable", property(lambda i: i.package in packages))
        monkeypatch.setattr(selection, "open_model", open_model)

    return arrange


def keep(*suffixes: str) -> Callable[[dict[str, Any]], object]:
    """Leave only these model files in a manifest."""
    return lambda manifest: manifest.update(
        models=[m for m in manifest["models"] if m["file"].endswith(suffixes)]
    )


def test_the_order_is_the_documented_one() -> None:
    assert tuple(INTERPRETERS) == BACKENDS == ("litert", "tflite", "onnx", "numeric")


@pytest.mark.parametrize(
    ("usable", "precision", "expected"),
    [
        (ALL, None, "litert model.int8.tflite"),
        (ALL, "float32", "litert model.float32.tflite"),
        ("tflite onnx", None, "tflite model.float32.tflite"),
        ("tflite onnx", "int8", "tflite model.int8.tflite"),
        ("onnx", None, "onnx model.int8.onnx"),
        ("onnx", "float32", "onnx model.float32.onnx"),
        ("", None, "numeric model.float32.npz"),
    ],
)
def test_automatic_choice(
    bundle: Bundle, opens: Callable[..., None], usable: str, precision: str | None, expected: str
) -> None:
    opens(usable)
    name, model, opened = open_bundle(bundle, precision=precision, threads=3)
    assert f"{name} {model.file}" == expected
    assert str(opened) == f"{expected} 3"


@pytest.mark.parametrize(
    ("backend", "precision", "file"),
    [
        ("tflite", None, "model.float32.tflite"),
        ("tflite", "int8", "model.int8.tflite"),
        ("onnx", None, "model.int8.onnx"),
        ("numeric", None, "model.float32.npz"),
        ("numeric", "float32", "model.float32.npz"),
    ],
)
def test_requested_backend_and_precision(
    bundle: Bundle, opens: Callable[..., None], backend: str, precision: str | None, file: str
) -> None:
    opens(ALL)
    name, model, _ = open_bundle(bundle, backend=backend, precision=precision)
    assert (name, model.file) == (backend, file)
    assert model_for(bundle, backend, precision) == model


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ((".npz",), "numeric model.float32.npz"),
        ((".onnx", ".npz"), "onnx model.int8.onnx"),
        (("float32.tflite",), "litert model.float32.tflite"),
        (("int8.onnx",), "onnx model.int8.onnx"),
    ],
)
def test_choice_among_the_files_of_the_bundle(
    edited_bundle: Edit, opens: Callable[..., None], files: tuple[str, ...], expected: str
) -> None:
    opens(ALL)
    name, model, _ = open_bundle(Bundle.open(edited_bundle(keep(*files))))
    assert f"{name} {model.file}" == expected


@pytest.mark.parametrize(
    ("choice", "values"),
    [
        ({"backend": "onnx"}, ("onnx", "model.float32.npz")),
        ({"precision": "int8"}, ("int8", "litert or tflite or onnx or numeric")),
        ({"backend": "numeric", "precision": "int8"}, ("int8", "numeric")),
    ],
)
def test_files_that_the_bundle_lacks(
    edited_bundle: Edit, choice: dict[str, str], values: tuple[str, ...]
) -> None:
    folder = edited_bundle(keep(".npz"))
    with raises(BackendError, *values, source=folder):
        open_bundle(Bundle.open(folder), **choice)  # type: ignore[arg-type]


def test_a_backend_that_fails_is_skipped_with_a_warning(
    bundle: Bundle, opens: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    opens(ALL, refusing="litert tflite")
    name, model, _ = open_bundle(bundle)
    assert (name, model.file) == ("onnx", "model.int8.onnx")
    assert caplog.record_tuples == [
        (
            "ser_edge.backends.selection",
            logging.WARNING,
            f"skipping the {name} backend: {name} refuses; install it again",
        )
        for name in ("litert", "tflite")
    ]


def test_a_requested_backend_is_not_skipped(
    bundle: Bundle, opens: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    opens(ALL, refusing="litert")
    with raises(BackendError, "litert refuses"):
        open_bundle(bundle, backend="litert")
    assert not caplog.records


def test_none_works(bundle: Bundle, opens: Callable[..., None]) -> None:
    opens("tflite onnx", refusing="tflite onnx numeric")
    reasons = (f"{name}: {name} refuses" for name in ("tflite", "onnx", "numeric"))
    with raises(BackendError, *reasons, "ser-edge doctor", source=bundle.folder):
        open_bundle(bundle)


@pytest.mark.parametrize(
    ("files", "packages"),
    [
        ((".tflite", ".onnx"), "'ser-edge[litert]' or 'ser-edge[tflite]' or 'ser-edge[onnx]'"),
        ((".onnx",), "'ser-edge[onnx]'"),
    ],
)
def test_none_is_installed_and_numpy_cannot_run_it(
    edited_bundle: Edit, opens: Callable[..., None], files: tuple[str, ...], packages: str
) -> None:
    opens("")
    folder = edited_bundle(keep(*files))
    with raises(BackendError, f"pip install {packages}", source=folder):
        open_bundle(Bundle.open(folder))


def test_a_damaged_file_is_not_skipped(edited_bundle: Edit, opens: Callable[..., None]) -> None:
    opens(ALL)
    folder = edited_bundle(lambda manifest: None)
    (folder / "model.int8.tflite").write_bytes(b"")
    with raises(BundleError, "0 bytes"):
        open_bundle(Bundle.open(folder))


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ("raise ImportError('libm.so.6: version `GLIBC_2.38\\' not found')", "libm.so.6: version"),
        ("import flatbuffers_that_is_missing", "No module named 'flatbuffers_that_is_missing'"),
    ],
)
def test_a_real_import_that_fails(
    tmp_path: Path, bundle_dir: Path, fresh: Fresh, broken: str, reason: str
) -> None:
    (tmp_path / "ai_edge_litert").mkdir()
    (tmp_path / "ai_edge_litert" / "__init__.py").touch()
    (tmp_path / "ai_edge_litert" / "interpreter.py").write_text(broken)
    code = (
        "import logging, sys; sys.path.insert(0, sys.argv[2]); logging.basicConfig()\n"
        "from ser_edge import Classifier\n"
        "print(Classifier.load(sys.argv[1], precision='float32').backend_name)"
    )
    done = fresh(code, bundle_dir, tmp_path)
    assert done.stdout.strip() in ("tflite", "onnx", "numeric")
    warning = done.stderr.splitlines()[0]
    assert warning.startswith(
        "WARNING:ser_edge.backends.selection:skipping the litert backend: ai_edge_litert is "
        f"installed but does not load: {reason}"
    )


def test_the_classifier_has_the_selected_model(bundle_dir: Path) -> None:
    classifier = Classifier.load(bundle_dir, backend="numeric", precision="float32")
    assert (classifier.backend_name, classifier.model.file) == ("numeric", "model.float32.npz")
