"""Export from end to end: what is in a bundle, and what is refused."""

from __future__ import annotations

import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Trained

from ser_edge import Bundle, Classifier, SerEdgeError
from ser_edge.graph import Graph
from ser_edge.graph_file import graph_bytes
from ser_edge_export import export as export_module
from ser_edge_export.export import export

pytestmark = pytest.mark.training


def test_the_bundle_is_whole(trained: Trained) -> None:
    folder = trained.run.folder / "bundle"
    assert {path.name for path in folder.iterdir()} == {
        "manifest.json",
        "model.float32.tflite",
        "model.int8.tflite",
        "model.float32.onnx",
        "model.int8.onnx",
        "model.float32.npz",
        "golden.npz",
        "MODEL_CARD.md",
    }
    bundle = Bundle.open(folder)
    for model in bundle.manifest.models:
        assert bundle.verified(model).stat().st_size == model.size_bytes
        if model.precision == "int8":
            whole = bundle.model(model.suffix, "float32")
            assert whole is not None
            assert model.size_bytes < 0.5 * whole.size_bytes
    assert bundle.manifest.input == trained.run.settings.input


def test_every_form_says_what_keras_says(trained: Trained) -> None:
    forms = Bundle.open(trained.run.folder / "bundle").manifest.about["forms"]
    assert {
        ("litert", "int8"),
        ("litert", "float32"),
        ("onnx", "int8"),
        ("onnx", "float32"),
        ("numeric", "float32"),
    } <= {(form["backend"], form["precision"]) for form in forms}
    card = (trained.run.folder / "bundle" / "MODEL_CARD.md").read_text("utf-8")
    assert "| model.float32.npz    | numeric " in card
    for form in forms:
        if form["precision"] == "float32":
            assert form["agreement"] == 1
            assert form["largest_change"] < 1e-4
            assert form["mcnemar_p"] == 1
            assert form["snr_db"] is None or form["snr_db"] > 90
        else:
            assert form["agreement"] >= 0.95
            assert 1e-4 < form["largest_change"] < 0.2
            assert 0 <= form["mcnemar_p"] <= 1
            assert 10 < form["snr_db"] < 60


def test_int8_models_compute_in_int8(trained: Trained) -> None:
    import onnx
    from ai_edge_litert.interpreter import Interpreter

    folder = trained.run.folder / "bundle"
    interpreter = Interpreter(str(folder / "model.int8.tflite"), num_threads=1)
    interpreter.allocate_tensors()
    kinds = [detail["dtype"] for detail in interpreter.get_tensor_details()]
    assert kinds.count(np.int8) > 20
    assert kinds.count(np.float32) == 2  # input and output

    graph = onnx.load(str(folder / "model.int8.onnx")).graph
    weights = {i.name: i for i in graph.initializer}
    quantised = [n for n in graph.node if n.op_type == "DequantizeLinear" and n.input[0] in weights]
    scales = [np.prod(weights[n.input[1]].dims, dtype=int) for n in quantised]
    assert max(scales) == 128  # one scale for each channel
    assert all(weights[n.input[0]].data_type in (3, 6) for n in quantised)  # int8, int32


def test_a_model_file_alone_can_be_understood(trained: Trained) -> None:
    import onnx

    folder = trained.run.folder / "bundle"
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    expected = {name: manifest[name] for name in ("name", "labels", "input", "temperature")}
    for precision in ("float32", "int8"):
        (entry,) = onnx.load(str(folder / f"model.{precision}.onnx")).metadata_props
        assert (entry.key, json.loads(entry.value)) == ("ser-edge", expected)
        with zipfile.ZipFile(folder / f"model.{precision}.tflite") as archive:
            assert archive.namelist() == ["ser-edge.json"]
            assert json.loads(archive.read("ser-edge.json")) == expected


def test_the_same_run_is_exported_to_the_same_bytes(trained: Trained, tmp_path: Path) -> None:
    first, second = trained.run.folder / "bundle", tmp_path / "bundle"
    export(trained.run.folder, second)
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes(), path.name


def test_golden_clips_come_out_as_stored(trained: Trained) -> None:
    folder = trained.run.folder / "bundle"
    classifier = Classifier.load(folder, backend="litert", precision="float32")
    rate = classifier.bundle.manifest.input.features.sample_rate
    with np.load(folder / "golden.npz") as golden:
        for number in range(3):
            found = classifier.predict(golden[f"clip{number}_samples"], rate)
            expected = golden[f"clip{number}_probabilities"]
            np.testing.assert_allclose(list(found.probabilities.values()), expected, atol=1e-5)
            assert found.n_windows == len(golden[f"clip{number}_starts"])


def test_float32_alone(trained: Trained, tmp_path: Path) -> None:
    result = export(trained.run.folder, tmp_path / "bundle", int8=False)
    assert {form.precision for form in result.forms} == {"float32"}
    assert len(Bundle.open(result.folder).manifest.models) == 3
    assert "copy this folder to the device" in str(result)
    json.dumps(result.to_dict())


def test_a_form_that_disagrees_is_refused(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calibration = trained.run.calibration_inputs()
    monkeypatch.setattr(
        type(trained.run), "calibration_inputs", lambda _run: calibration[:20] * 1e-4
    )
    with pytest.raises(SerEdgeError, match=r"model\.int8\.\w+ in \w+ says the same label.* only"):
        export(trained.run.folder, tmp_path / "bundle")
    assert not list(tmp_path.iterdir())


def test_numpy_is_held_against_keras_too(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def negated(graph: Graph) -> bytes:
        *inner, last = graph.ops
        arrays = {name: -array for name, array in last.arrays.items()}
        return graph_bytes(replace(graph, ops=(*inner, replace(last, arrays=arrays))))

    monkeypatch.setattr(export_module, "graph_bytes", negated)
    with pytest.raises(SerEdgeError, match=r"model\.float32\.npz in numeric says the same label"):
        export(trained.run.folder, tmp_path / "bundle", int8=False)
    assert not list(tmp_path.iterdir())


def test_an_existing_bundle_is_replaced_only_when_asked(trained: Trained, tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    with pytest.raises(SerEdgeError, match="exists already"):
        export(trained.run.folder, out, int8=False)
    assert (out / "mine.txt").exists()
    export(trained.run.folder, out, int8=False, overwrite=True)
    assert not (out / "mine.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_failure_leaves_nothing_half_written(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(export_module, "save_golden", fail)
    with pytest.raises(OSError, match="disk full"):
        export(trained.run.folder, tmp_path / "bundle", int8=False)
    assert not list(tmp_path.iterdir())


def test_a_damaged_run_is_refused(trained: Trained, tmp_path: Path) -> None:
    shutil.copytree(trained.run.folder, tmp_path / "run")
    (tmp_path / "run" / "windows.npz").write_bytes(b"PK no")
    with pytest.raises(SerEdgeError, match=r"windows\.npz: is damaged"):
        export(tmp_path / "run", tmp_path / "bundle")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
