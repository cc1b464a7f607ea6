"""Which interpreter and file is taken, by what is there, what works and what is asked for."""

import logging
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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
    """Say which interpreters are usable, and which of them refuse what they are given."""

    def arrange(usable: str, refusing: str = "") -> None:
        packages = {INTERPRETERS[name].package for name in [*usable.split(), "numeric"]}

        def open_model(path: Path, backend: str, *, threads: int) -> str:
            if backend in refusing.split():
                raise BackendError(f"{backend} refuses; install it again")
            return f"{backend} {path.name} {threads}"

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
def test_what_is_taken(
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
def test_what_is_asked_for_is_taken(
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
def test_what_the_bundle_has(
    edited_bundle: Edit, opens: Callable[..., None], files: tuple[str, ...], expected: str
) -> None:
    opens(ALL)
    name, model, _ = open_bundle(Bundle.open(edited_bundle(keep(*files))))
    assert f"{name} {model.file}" == expected


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"backend": "onnx"}, "holds no model file for onnx, only model.float32.npz; choose"),
        ({"precision": "int8"}, "holds no int8 file for litert or tflite or onnx or numeric, only"),
        ({"backend": "numeric", "precision": "int8"}, "holds no int8 file for numeric, only"),
    ],
)
def test_what_the_bundle_lacks(edited_bundle: Edit, asked: dict[str, str], message: str) -> None:
    folder = edited_bundle(keep(".npz"))
    with pytest.raises(BackendError) as caught:
        open_bundle(Bundle.open(folder), **asked)  # type: ignore[arg-type]
    assert str(caught.value).startswith(f"{folder}: {message}")


def test_one_that_does_not_work_is_passed_over_with_a_warning(
    bundle: Bundle, opens: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    opens(ALL, refusing="litert tflite")
    name, model, _ = open_bundle(bundle)
    assert (name, model.file) == ("onnx", "model.int8.onnx")
    assert caplog.record_tuples == [
        (
            "ser_edge.backends.selection",
            logging.WARNING,
            f"the {name} backend is passed over: {name} refuses; install it again",
        )
        for name in ("litert", "tflite")
    ]


def test_one_that_is_asked_for_is_not(
    bundle: Bundle, opens: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    opens(ALL, refusing="litert")
    with pytest.raises(BackendError, match=r"^litert refuses; install it again$"):
        open_bundle(bundle, backend="litert")
    assert not caplog.records


def test_none_works(bundle: Bundle, opens: Callable[..., None]) -> None:
    opens("tflite onnx", refusing="tflite onnx numeric")
    with pytest.raises(BackendError) as caught:
        open_bundle(bundle)
    assert str(caught.value) == (
        f"{bundle.folder}: no backend opens it (tflite: tflite refuses; install it again / "
        "onnx: onnx refuses; install it again / numeric: numeric refuses; install it again); "
        "`ser-edge doctor` says what would mend each"
    )


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
    with pytest.raises(BackendError, match="none is usable here; pip install") as caught:
        open_bundle(Bundle.open(edited_bundle(keep(*files))))
    assert f"pip install {packages}, or export" in str(caught.value)


def test_a_damaged_file_is_no_reason_to_take_another(
    edited_bundle: Edit, opens: Callable[..., None]
) -> None:
    opens(ALL)
    folder = edited_bundle(lambda manifest: None)
    (folder / "model.int8.tflite").write_bytes(b"")
    with pytest.raises(BundleError, match="is damaged"):
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
        "WARNING:ser_edge.backends.selection:the litert backend is passed over: ai_edge_litert is "
        f"installed but does not load: {reason}"
    )


def test_the_classifier_takes_what_is_selected(bundle_dir: Path) -> None:
    classifier = Classifier.load(bundle_dir, backend="numeric", precision="float32")
    assert (classifier.backend_name, classifier.model.file) == ("numeric", "model.float32.npz")
