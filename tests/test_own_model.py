"""Networks that came as a file: Keras and ONNX, what fits and what does not."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from conftest import Trained

from ser_edge import Bundle, Classifier
from ser_edge.cli.command_line import main
from ser_edge.manifest import PRECISIONS
from ser_edge_export.acceptance import AcceptanceCriteria
from ser_edge_export.export import export
from ser_edge_export.keras_network import KerasNetwork
from ser_edge_export.onnx_network import OnnxNetwork
from ser_edge_export.own_model import OwnModel
from ser_edge_export.quantisation_search import QuantConfig
from ser_edge_export.variants import ModelVariant, chosen_variants
from ser_edge_train.keras_backend import keras

pytestmark = pytest.mark.training

LOOSE = AcceptanceCriteria(0.9, 0.05)


@pytest.fixture(scope="module")
def folder(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trained network as somebody else would have it: ending in a softmax, with a scaler."""
    folder = tmp_path_factory.mktemp("own")
    network, config = trained.run.network(), trained.run.settings.input
    probabilities = keras.layers.Softmax()(network.outputs[0])
    keras.Model(network.inputs, probabilities).save(folder / "mine.keras")
    statistics = {"mean": config.mean, "scale": config.scale}
    (folder / "scaler.json").write_text(json.dumps(statistics))
    np.savez(folder / "scaler.npz", **{k: np.array(v) for k, v in statistics.items()})

    exported = onnx.load(str(trained.run.folder / "bundle" / "model.float32.onnx"))
    exported.graph.node.append(onnx.helper.make_node("Softmax", ["logits"], ["p"], axis=1))
    exported.graph.output[0].name = "p"
    del exported.metadata_props[:]
    onnx.save(exported, str(folder / "mine.onnx"))
    return folder


def own_model(trained: Trained, folder: Path, name: str, **changes: Any) -> OwnModel:
    settings = {
        "path": folder / name,
        "labels": trained.run.settings.labels,
        "recipe": "edge",
        "clips": [trained.corpus],
        "scaler": folder / "scaler.json",
        "cache": trained.cache,
    }
    return OwnModel(**{**settings, **changes})


def test_a_keras_network_in_every_format(trained: Trained, folder: Path, tmp_path: Path) -> None:
    source = own_model(trained, folder, "mine.keras").source()
    assert not set(source.validation.speakers) & set(source.test.speakers)
    inputs = source.input.network_inputs(source.test.features)
    expected = trained.run.network().predict(inputs, verbose=0)
    np.testing.assert_allclose(source.network.logits(inputs), expected, atol=1e-4)

    result = export(source, tmp_path / "bundle", chosen_variants(int8=True), gate=LOOSE)
    bundle = Bundle.open(result.folder)
    assert bundle.manifest.name == "mine"
    assert {model.suffix for model in bundle.manifest.models} == {".tflite", ".onnx", ".npz"}
    assert bundle.manifest.input == trained.run.settings.input
    card = (result.folder / "MODEL_CARD.md").read_text("utf-8")
    assert "Protocol **unknown**" in card
    assert "whether it was trained on speakers of these clips is not known here" in card
    clip = next(path for path in trained.corpus.rglob("*.wav"))
    ours, theirs = (
        Classifier.load(b, backend="numeric").predict(clip).probabilities
        for b in (result.folder, trained.run.folder / "bundle")
    )
    # The bundle of the run has a temperature, which flattens or sharpens.
    assert max(ours, key=ours.__getitem__) == max(theirs, key=theirs.__getitem__)


def test_an_onnx_network_in_onnx_forms(trained: Trained, folder: Path, tmp_path: Path) -> None:
    source = own_model(trained, folder, "mine.onnx", scaler=folder / "scaler.npz").source()
    forms = chosen_variants(formats=["onnx"], precisions=PRECISIONS, audio=True)
    result = export(source, tmp_path / "bundle", forms, gate=LOOSE)
    found = {form.file: form for form in result.forms}
    assert len(found) == 6
    assert found["model.float32.onnx"].largest_change == 0
    # Measured: float16 1e-3, audio 1e-6, int8 weights 0.03.
    assert found["model.float16.onnx"].largest_change < 0.01
    assert found["audio.float32.onnx"].largest_change < 1e-3
    assert found["model.int8.onnx"].size_bytes < 0.6 * found["model.float32.onnx"].size_bytes
    graph = onnx.load(str(result.folder / "model.int8.onnx")).graph
    assert "BatchNormalization" not in {node.op_type for node in graph.node}


@pytest.mark.parametrize("layers", [(), ("first", "last")])
def test_int8_of_an_onnx_network(trained: Trained, folder: Path, layers: tuple[str, ...]) -> None:
    source = own_model(trained, folder, "mine.onnx").source(unsigned=True)
    way = QuantConfig(windows=20, percentile=99.9, float_layers=layers)
    content = source.network.content(ModelVariant("onnx", "int8"), source, way)
    graph = onnx.load_from_string(content).graph
    floats = {i.name for i in graph.initializer if i.data_type == onnx.TensorProto.FLOAT}
    weighted = [node for node in graph.node if node.op_type in ("Conv", "Gemm")]
    ends = [weighted[0].input[1] in floats, weighted[-1].input[1] in floats]
    assert ends == [bool(layers)] * 2
    assert not any(node.input[1] in floats for node in weighted[1:-1])
    zeros = {i.name: i.data_type for i in graph.initializer if i.name.endswith("zero_point")}
    assert onnx.TensorProto.UINT8 in zeros.values()


def small(*layers: Any, shape: tuple[int, ...] = (130, 22)) -> Any:
    return keras.Sequential([keras.Input(shape), *layers])


L = keras.layers


def test_a_softmax_at_the_end_is_left_out_and_sequences_are_read(
    trained: Trained, folder: Path, tmp_path: Path
) -> None:
    body = [
        L.Conv1D(8, 3, padding="same"),
        L.BatchNormalization(),
        L.Activation("relu"),
        L.SpatialDropout1D(0.1),
        L.GaussianNoise(0.1),
        L.GlobalMaxPooling1D(),
    ]
    inputs = np.random.default_rng(0).standard_normal((4, 130, 22)).astype(np.float32)
    for end in (
        [L.Dense(7, activation="softmax")],
        [L.Dense(7), L.Activation("softmax")],
        [L.Dense(7)],
    ):
        keras.utils.set_random_seed(0)
        model = small(*(type(layer).from_config(layer.get_config()) for layer in body), *end)
        before = np.asarray(model.predict(inputs, verbose=0))
        model.save(tmp_path / "m.keras")
        network = KerasNetwork.open(tmp_path / "m.keras", (130, 22), 7)
        logits = network.logits(inputs)
        if len(end) == 2 or end[0].activation.__name__ == "softmax":
            odds = np.exp(logits)
            np.testing.assert_allclose(odds / odds.sum(1, keepdims=True), before, atol=1e-5)
        else:
            np.testing.assert_allclose(logits, before, atol=1e-5)
        assert [op.kind for op in network.graph.ops] == ["conv", "relu", "max", "dense"]


def command(trained: Trained, path: Path, out: Path, *words: str) -> list[str]:
    labels = ",".join(trained.run.settings.labels)
    given = [] if "--labels" in words else ["--labels", labels]
    clips = [] if "--clips" in words else ["--clips", str(trained.corpus)]
    cache = ["--cache", str(trained.cache), "--out", str(out / "bundle")]
    return ["export", str(path), *given, *clips, *cache, *words]


def test_the_command_writes_beside_the_file(
    trained: Trained, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = command(
        trained, folder / "mine.onnx", tmp_path, "--scaler", str(folder / "scaler.json")
    )
    assert main([*words, "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert [form["file"] for form in content["forms"]] == ["model.float32.onnx"]


@pytest.mark.parametrize(
    ("name", "words", "message"),
    [
        ("mine.keras", ["--labels", ""], "says nothing of its labels and has no clips"),
        (
            "mine.keras",
            ["--labels", "angry,sad"],
            r"gives outputs of shape \(7,\), and ther",
        ),
        (
            "mine.keras",
            ["--recipe", "seed"],
            r"takes inputs of shape \(130, 24\), and the rec",
        ),
        (
            "mine.onnx",
            ["--recipe", "seed"],
            r"takes inputs of shape \(130, 24\), and the rec",
        ),
        (
            "mine.onnx",
            ["--labels", "a,b,c,d,e,f,g"],
            "holds 0 clips with a label of a, b, c, d",
        ),
        ("mine.onnx", ["--clips", "/no/such"], "/no/such does not exist"),
        (
            "mine.onnx",
            ["--format", "tflite"],
            r"mine\.onnx: cannot become model\.float32\.tf",
        ),
        ("mine.onnx", ["--qat"], r"mine\.onnx: cannot be trained; give the Keras model for --qat"),
        ("no.keras", [], r"no\.keras: cannot be used \(.*\); expected a Keras model"),
        ("no.onnx", [], r"no\.onnx: cannot be used \(.*\); expected an ONNX model"),
        ("text.keras", [], r"text\.keras: cannot be used"),
        ("text.onnx", [], r"text\.onnx: cannot be used"),
        ("mine.keras", ["--scaler", "text.json"], r"text\.json: is no scaler \(.*\); expected"),
        (
            "mine.keras",
            ["--scaler", "short.json"],
            r"short\.json: the mean has 1 values; exp",
        ),
        ("mine.keras", ["--scaler", "no.npz"], r"no\.npz: is no scaler \(No such file"),
        ("two.keras", [], r"two\.keras: has 1 inputs and 2 outputs; expected one of each"),
        ("lstm.keras", [], r"has the layer 'memory' of type LSTM; expected only Conv1D"),
    ],
)
def test_what_does_not_fit_is_one_sentence(
    trained: Trained,
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    words: list[str],
    message: str,
) -> None:
    for suffix in ("keras", "onnx", "json"):
        (folder / f"text.{suffix}").write_text("not a model")
    (folder / "short.json").write_text('{"mean": [0], "scale": [1]}')
    if name == "two.keras":
        one = keras.Input((130, 24))
        x = L.GlobalMaxPooling1D()(one)
        keras.Model(one, [L.Dense(7)(x), L.Dense(7)(x)]).save(folder / name)
    if name == "lstm.keras":
        small(L.LSTM(4, name="memory"), L.Dense(7), shape=(130, 24)).save(folder / name)
    words = [str(folder / w) if w.endswith((".json", ".npz")) else w for w in words]
    assert main(command(trained, folder / name, tmp_path, *words)) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert re.search(message, error), error
    assert error.startswith("ser-edge: ")
    assert not list(tmp_path.iterdir())


def test_a_file_needs_its_clips(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(folder / "mine.onnx"), "--labels", "a,b"]) == 1
    assert "--clips DIR" in capsys.readouterr().err


def test_an_older_opset_is_raised(folder: Path) -> None:
    of = onnx.helper.make_tensor_value_info
    nodes = [onnx.helper.make_node("ReduceMean", ["x"], ["y"], axes=[1], keepdims=0)]
    graph = onnx.helper.make_graph(
        nodes, "old", [of("x", 1, ["n", 130, 22])], [of("y", 1, ["n", 22])]
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 11)])
    onnx.save(model, str(folder / "old.onnx"))
    network = OnnxNetwork.open(folder / "old.onnx", (130, 22), 22)
    inputs = np.random.default_rng(0).standard_normal((3, 130, 22)).astype(np.float32)
    np.testing.assert_allclose(network.logits(inputs), inputs.mean(axis=1), atol=1e-5)
