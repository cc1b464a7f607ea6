"""Export from end to end: the content of a bundle, and what is refused."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Trained
from raising import raises

from ser_edge import Bundle, Classifier, ConfigError, SerEdgeError
from ser_edge.backends.graph import Graph
from ser_edge.backends.graph_file import graph_bytes
from ser_edge.choices import PRECISIONS
from ser_edge.cli.command_line import main
from ser_edge.cli.parser import parse_arguments
from ser_edge_export import export as export_module
from ser_edge_export import fine_tune, keras_network
from ser_edge_export.acceptance import AcceptanceCriteria
from ser_edge_export.command import export_command
from ser_edge_export.export import Export, export
from ser_edge_export.quantisation_search import QuantConfig
from ser_edge_export.run_model import trained_model_of_run
from ser_edge_export.trained_model import TrainedModel
from ser_edge_export.variants import ModelVariant, chosen_variants
from ser_edge_train.variant_comparison import run_model_file

pytestmark = pytest.mark.training

FLOAT32 = chosen_variants()
LOOSE = AcceptanceCriteria(0.9, 0.05)


def export_run(trained: Trained, out: Path, *variants: ModelVariant, **options: Any) -> Export:
    model = trained_model_of_run(trained.run.folder)
    return export(model, out, variants, **{"criteria": LOOSE, **options})


def test_the_bundle_is_complete(trained: Trained) -> None:
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
        "report.md",
    }
    bundle = Bundle.open(folder)
    for model in bundle.manifest.models:
        assert len(bundle.model_bytes(model)) == model.size_bytes
        if model.precision == "int8":
            float32 = bundle.model(model.suffix, "float32")
            assert float32 is not None
            assert model.size_bytes < 0.5 * float32.size_bytes
    assert bundle.manifest.input == trained.run.settings.input


def test_every_variant_agrees_with_keras(trained: Trained) -> None:
    variants = Bundle.open(trained.run.folder / "bundle").manifest.about["variants"]
    assert {
        ("litert", "int8"),
        ("litert", "float32"),
        ("onnx", "int8"),
        ("onnx", "float32"),
        ("numeric", "float32"),
    } <= {(variant["backend"], variant["precision"]) for variant in variants}
    card = (trained.run.folder / "bundle" / "MODEL_CARD.md").read_text("utf-8")
    assert "| model.float32.npz    | numeric " in card
    for variant in variants:
        if variant["precision"] == "float32":
            assert variant["agreement"] == 1
            assert variant["largest_change"] < 1e-4
            assert variant["mcnemar_p"] == 1
            assert variant["snr_db"] is None or variant["snr_db"] > 90
        else:
            assert variant["agreement"] >= 0.95
            assert 1e-4 < variant["largest_change"] < 0.2
            assert 0 <= variant["mcnemar_p"] <= 1
            assert 10 < variant["snr_db"] < 60


def test_int8_models_compute_in_int8(trained: Trained) -> None:
    import onnx
    from ai_edge_litert.interpreter import Interpreter

    folder = trained.run.folder / "bundle"
    interpreter = Interpreter(str(folder / "model.int8.tflite"), num_threads=1)
    interpreter.allocate_tensors()
    kinds = [detail["dtype"] for detail in interpreter.get_tensor_details()]
    assert kinds.count(np.int8) > 20

    graph = onnx.load(str(folder / "model.int8.onnx")).graph
    weights = {i.name: i for i in graph.initializer}
    quantised = [n for n in graph.node if n.op_type == "DequantizeLinear" and n.input[0] in weights]
    scales = [np.prod(weights[n.input[1]].dims, dtype=int) for n in quantised]
    assert max(scales) == 128  # one scale for each channel
    assert all(weights[n.input[0]].data_type in (3, 6) for n in quantised)  # int8, int32


def test_a_model_file_has_metadata(trained: Trained) -> None:
    import onnx

    folder = trained.run.folder / "bundle"
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    expected = {name: manifest[name] for name in ("name", "labels", "input", "temperature")}
    expected |= {"input_kind": "features", "output": "logits"}
    for precision in ("float32", "int8"):
        (entry,) = onnx.load(str(folder / f"model.{precision}.onnx")).metadata_props
        assert (entry.key, json.loads(entry.value)) == ("ser-edge", expected)
        with zipfile.ZipFile(folder / f"model.{precision}.tflite") as archive:
            assert archive.namelist() == ["ser-edge.json"]
            assert json.loads(archive.read("ser-edge.json")) == expected


def test_the_same_run_is_exported_to_the_same_bytes(trained: Trained, tmp_path: Path) -> None:
    first, second = trained.run.folder / "bundle", tmp_path / "bundle"
    export_run(trained, second, *chosen_variants(int8=True))
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes(), path.name


def test_the_environments_threads_change_no_golden_clip(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = trained.run.folder / "bundle" / "model.float32.npz"
    with np.load(file.parent / "golden.npz") as golden:
        inputs = golden["clip0_inputs"]
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")  # whose threads differ in the last digit
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    expected, _ = run_model_file(file, "numeric", inputs)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    np.testing.assert_array_equal(run_model_file(file, "numeric", inputs)[0], expected)


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
    result = export_run(trained, tmp_path / "bundle", *FLOAT32, criteria=AcceptanceCriteria())
    assert {variant.precision for variant in result.results} == {"float32"}
    assert len(Bundle.open(result.folder).manifest.models) == 3
    assert f"--bundle {result.folder}" in str(result)
    json.dumps(result.to_dict())


def test_every_variant_with_features(trained: Trained, tmp_path: Path) -> None:
    variants = chosen_variants(precisions=PRECISIONS, batch=True)
    result = export_run(trained, tmp_path / "bundle", *variants)
    found = {variant.file: variant for variant in result.results}
    assert set(found) == {variant.file for variant in variants}
    assert len(found) == 12
    for file, variant in found.items():
        assert variant.agreement >= 0.9, file
        # Measured: float32 1e-6, float16 1e-3, int8 weights 0.03 to 0.06.
        limit = {"float32": 1e-4, "float16": 0.01}.get(variant.precision, 0.2)
        assert variant.largest_change < limit, file
    sizes = {file: variant.size_bytes for file, variant in found.items()}
    for format in ("tflite", "onnx"):
        float32 = sizes[f"model.float32.{format}"]
        assert sizes[f"model.float16.{format}"] < 0.6 * float32
        assert sizes[f"model.dynamic.{format}"] < 0.5 * float32
    assert main(["info", str(result.folder)]) == 0


def test_int8_in_and_out(trained: Trained, tmp_path: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    folder = export_run(trained, tmp_path / "bundle", ModelVariant("tflite", "int8-io")).folder
    interpreter = Interpreter(str(folder / "model.int8-io.tflite"), num_threads=1)
    interpreter.allocate_tensors()
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert source["dtype"] == result["dtype"] == np.int8
    assert Classifier.load(folder, backend="litert").model.precision == "int8-io"


def badly_calibrated(trained: Trained) -> TrainedModel:
    """A model whose calibration windows are far smaller than its inputs."""
    model = trained_model_of_run(trained.run.folder)
    return replace(model, calibration=model.calibration[:20] * 1e-2)


def test_a_variant_that_disagrees_is_refused(
    trained: Trained, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    with raises(SerEdgeError, "--allow-degraded") as caught:
        export(badly_calibrated(trained), tmp_path / "bundle", chosen_variants(int8=True))
    problem = caught.value.problem
    for file, backend in (("model.int8.tflite", "litert"), ("model.int8.onnx", "onnx")):
        assert re.search(rf"{file} in {backend}: .*\d+\.\d%.*98\.0%", problem)
    assert "float32" not in problem
    assert "| model.int8.tflite " in caplog.text  # the table shows why
    assert not list(tmp_path.iterdir())


def test_a_degraded_bundle_says_so_and_what_was_tried(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "bundle"
    int8 = [ModelVariant("tflite", "int8")]
    result = export(badly_calibrated(trained), out, int8, allow_degraded=True)
    about = Bundle.open(out).manifest.about
    assert result.violations
    assert list(result.violations) == about["acceptance"]["failed"]
    for name in ("report.md", "MODEL_CARD.md"):
        text = (out / name).read_text("utf-8")
        assert "**Degraded**" in text
        assert result.violations[0] in text
    assert main(["info", str(out)]) == 0
    assert f"degraded      {result.violations[0]}" in capsys.readouterr().out

    tried = result.searches["model.int8.tflite"].tried
    assert [str(config) for config, _ in tried] == [
        "512 calibration windows, minimum to maximum, last layer in float32",
        "1024 calibration windows, minimum to maximum, last layer in float32",
        "1024 calibration windows, percentile 99.999, last layer in float32",
        "512 calibration windows, minimum to maximum, first and last layer in float32",
    ]
    best = max(tried, key=lambda pair: pair[1])[0]
    assert best == result.searches["model.int8.tflite"].config
    assert about["int8"] == {"model.int8.tflite": str(best)}
    report = (out / "report.md").read_text("utf-8")
    assert report.count(" chosen |") == 1
    assert all(str(config) in report for config, _ in tried)


def test_fine_tuning_comes_last_and_does_no_harm(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fine_tune, "STEPS", 60)
    result = export_run(
        trained,
        tmp_path / "bundle",
        ModelVariant("onnx", "int8"),
        criteria=AcceptanceCriteria(1, 0),
        fine_tune=True,
        allow_degraded=True,
    )
    tried = result.searches["model.int8.onnx"].tried
    assert [config.fine_tuned for config, _ in tried] == [False] * 4 + [True]
    assert tried[4][1] > tried[0][1] - 0.02


@pytest.mark.parametrize("layers", [(), ("first",), ("last",), ("first", "last")])
def test_layers_in_float(trained: Trained, layers: tuple[str, ...]) -> None:
    import onnx
    from ai_edge_litert.interpreter import Interpreter

    model = trained_model_of_run(trained.run.folder)
    config = QuantConfig(windows=50, float_layers=layers)
    expected = ["first" in layers, *[False] * 6, "last" in layers]

    graph = onnx.load_from_string(model.content(ModelVariant("onnx", "int8"), config)).graph
    floats = {i.name for i in graph.initializer if i.data_type == onnx.TensorProto.FLOAT}
    weighted = [node for node in graph.node if node.op_type in ("Conv", "Gemm")]
    assert [node.input[1] in floats for node in weighted] == expected

    content = model.content(ModelVariant("tflite", "int8"), config)
    interpreter = Interpreter(model_content=content, num_threads=1)
    types = {t["index"]: t["dtype"] for t in interpreter.get_tensor_details()}
    layer = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
    found = [o["inputs"][1] for o in interpreter._get_ops_details() if o["op_name"] in layer]
    assert [types[weights] == np.float32 for weights in found] == expected


def test_the_command_sets_the_acceptance_criteria(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "bundle"
    words = ["export", str(trained.run.folder), "--out", str(out), "--format", "onnx"]
    assert main(
        [*words, "--precision", "dynamic", "--min-agreement", "100", "--max-uar-loss", "0"]
    ) in (0, 1)
    capsys.readouterr()
    # One test clip is 2.4 %, and a tie is one.
    words += ["--precision", "float32", "--min-agreement", "95", "--max-uar-loss", "5"]
    assert main([*words, "--precision", "float16", "--json", "--overwrite"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert [variant["file"] for variant in content["variants"]] == [
        "model.float32.onnx",
        "model.float16.onnx",
    ]
    assert content["violations"] == []


def test_notes_and_licence_in_the_card(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notes, out = tmp_path / "notes.md", tmp_path / "bundle"
    words = ["export", str(trained.run.folder), "--out", str(out), "--format", "npz"]
    words += ["--licence", "all rights reserved", "--notes", str(notes)]
    assert main(words) == 1
    assert str(notes) in capsys.readouterr().err
    notes.write_text("## In our own office\n\nUAR 12.3 % on 4 colleagues.\n", encoding="utf-8")
    assert main(words) == 0
    card = (out / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "UAR 12.3 % on 4 colleagues." in card
    assert "Licence: all rights reserved." in card
    assert "error rate" in card
    assert Bundle.open(out).manifest.about["licence"] == "all rights reserved"


@pytest.mark.parametrize("option", ["--min-agreement=101", "--max-uar-loss=x", "--format=pb"])
def test_wrong_usage(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["export", "run", option])
    assert caught.value.code == 2
    assert option.partition("=")[2] in capsys.readouterr().err


def test_what_is_no_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("notes")
    assert main(["export", str(tmp_path / "notes.txt")]) == 1
    assert str(tmp_path / "notes.txt") in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["run", "--labels", "a,b"], ["a.onnx", "--licence", "MIT"], ["a.onnx"]], ids=str
)
def test_options_that_contradict_each_other(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.onnx").touch()
    with raises(ConfigError, *words[1:2], source=words[0]):
        export_command(parse_arguments(["export", *words]))


def test_variants_and_criteria_that_do_not_exist() -> None:
    with raises(ConfigError, "npz", "int8", "model.float32.npz"):
        chosen_variants(formats=["npz"], precisions=["int8"])
    with raises(ConfigError, "min_agreement=98"):
        AcceptanceCriteria(98)


def test_numpy_is_compared_with_keras_too(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def negated(graph: Graph) -> bytes:
        *inner, last = graph.ops
        arrays = {name: -array for name, array in last.arrays.items()}
        return graph_bytes(replace(graph, ops=(*inner, replace(last, arrays=arrays))))

    monkeypatch.setattr(keras_network, "graph_bytes", negated)
    with raises(SerEdgeError, "model.float32.npz in numeric"):
        export_run(trained, tmp_path / "bundle", *FLOAT32)
    assert not list(tmp_path.iterdir())


def test_an_existing_bundle_is_replaced_only_when_asked(trained: Trained, tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    with raises(SerEdgeError, "--overwrite"):
        export_run(trained, out, *FLOAT32)
    assert (out / "mine.txt").exists()
    export_run(trained, out, *FLOAT32, overwrite=True)
    assert not (out / "mine.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_failure_leaves_nothing_half_written(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(export_module, "save_golden", fail)
    with pytest.raises(OSError, match="disk full"):
        export_run(trained, tmp_path / "bundle", *FLOAT32)
    assert not list(tmp_path.iterdir())


def test_a_damaged_run_is_refused(trained: Trained, tmp_path: Path) -> None:
    shutil.copytree(trained.run.folder, tmp_path / "run")
    (tmp_path / "run" / "windows.npz").write_bytes(b"PK no")
    with raises(SerEdgeError) as caught:
        trained_model_of_run(tmp_path / "run")
    assert "windows.npz" in str(caught.value)
