"""Networks from Keras and ONNX files: export, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from conftest import Trained
from raising import raises

from ser_edge import Bundle, Classifier
from ser_edge.choices import PRECISIONS
from ser_edge.cli.command_line import main
from ser_edge.cli.parser import parse_arguments
from ser_edge.errors import ConfigError, SerEdgeError
from ser_edge_export.acceptance import AcceptanceCriteria
from ser_edge_export.command import export_command
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
    """The trained network with a softmax at its end, and its scaler."""
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
    model = own_model(trained, folder, "mine.keras").trained_model()
    assert not set(model.validation.speakers) & set(model.test.speakers)
    inputs = model.input.network_inputs(model.test.features)
    expected = trained.run.network().predict(inputs, verbose=0)
    np.testing.assert_allclose(model.network.logits(inputs), expected, atol=1e-4)

    result = export(model, tmp_path / "bundle", chosen_variants(int8=True), criteria=LOOSE)
    bundle = Bundle.open(result.folder)
    assert bundle.manifest.name == "mine"
    assert {model.suffix for model in bundle.manifest.models} == {".tflite", ".onnx", ".npz"}
    assert bundle.manifest.input == trained.run.settings.input
    card = (result.folder / "MODEL_CARD.md").read_text("utf-8")
    assert "Protocol: **unknown**" in card
    assert "Whether it was trained on speakers of these clips is unknown." in card
    clip = next(path for path in trained.corpus.rglob("*.wav"))
    ours, theirs = (
        Classifier.load(b, backend="numeric").predict(clip).probabilities
        for b in (result.folder, trained.run.folder / "bundle")
    )
    # The bundle of the run has a temperature, which flattens or sharpens.
    assert max(ours, key=ours.__getitem__) == max(theirs, key=theirs.__getitem__)


def test_an_onnx_network_in_onnx_variants(trained: Trained, folder: Path, tmp_path: Path) -> None:
    model = own_model(trained, folder, "mine.onnx", scaler=folder / "scaler.npz").trained_model()
    variants = chosen_variants(formats=["onnx"], precisions=PRECISIONS, audio=True)
    result = export(model, tmp_path / "bundle", variants, criteria=LOOSE)
    found = {variant.file: variant for variant in result.results}
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
    model = own_model(trained, folder, "mine.onnx").trained_model(unsigned=True)
    config = QuantConfig(windows=20, percentile=99.9, float_layers=layers)
    content = model.content(ModelVariant("onnx", "int8"), config)
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


def test_a_softmax_at_the_end_is_removed_and_sequences_are_read(
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
    assert [variant["file"] for variant in content["variants"]] == ["model.float32.onnx"]


@pytest.mark.parametrize(
    ("name", "words", "value"),
    [
        ("mine.keras", ["--labels", "angry,sad"], "(7,)"),
        ("mine.keras", ["--recipe", "seed"], "(130, 24)"),
        ("mine.onnx", ["--recipe", "seed"], "(130, 24)"),
        ("mine.onnx", ["--labels", "a,b,c,d,e,f,g"], "a, b, c, d, e, f, g"),
        ("mine.onnx", ["--clips", "/no/such"], "/no/such"),
        ("no.keras", [], "no.keras: does not exist"),
        ("no.onnx", [], "no.onnx: does not exist"),
        ("text.keras", [], "text.keras"),
        ("text.onnx", [], "text.onnx"),
        ("mine.keras", ["--scaler", "text.json"], "text.json"),
        ("mine.keras", ["--scaler", "short.json"], "short.json"),
        ("mine.keras", ["--scaler", "no.npz"], "no.npz"),
        ("two.keras", [], "2 outputs"),
        ("lstm.keras", [], "LSTM"),
        ("leaky.keras", [], "negative_slope=0.2"),
        ("folder.keras", [], "is a folder"),
        ("saved", [], "SavedModel"),
    ],
)
def test_files_that_cannot_be_used(
    trained: Trained, folder: Path, tmp_path: Path, name: str, words: list[str], value: str
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
    if name == "leaky.keras":
        small(L.GlobalMaxPooling1D(), L.ReLU(negative_slope=0.2), L.Dense(7), shape=(130, 24)).save(
            folder / name
        )
    (folder / "folder.keras").mkdir(exist_ok=True)
    (folder / "saved").mkdir(exist_ok=True)
    (folder / "saved" / "saved_model.pb").write_bytes(b"pb")
    words = [str(folder / w) if w.endswith((".json", ".npz")) else w for w in words]
    with raises(SerEdgeError) as caught:
        export_command(parse_arguments(command(trained, folder / name, tmp_path, *words)))
    assert value in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (["--labels", ""], "--labels is"),
        (["--clips"], "--clips is"),
        (["--format", "tflite"], "model.float32.tflite"),
        (["--qat"], "--qat"),
    ],
    ids=str,
)
def test_options_that_the_file_cannot_have(
    trained: Trained, folder: Path, tmp_path: Path, words: list[str], value: str
) -> None:
    arguments = command(trained, folder / "mine.onnx", tmp_path, *words)
    if words == ["--clips"]:
        arguments.remove("--clips")
    with raises(ConfigError, value, source=folder / "mine.onnx"):
        export_command(parse_arguments(arguments))
    assert not list(tmp_path.iterdir())


def test_a_network_at_chance_level_is_said_to_be(
    trained: Trained, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It gives every clip the same label, and is exported faithfully."""
    network = small(L.GlobalMaxPooling1D(), L.Dense(7), shape=(130, 24))
    kernel, bias = network.layers[-1].get_weights()
    network.layers[-1].set_weights([0 * kernel, np.eye(7)[0] * 3 + bias])
    network.save(folder / "constant.keras")
    words = command(trained, folder / "constant.keras", tmp_path, "--format", "npz")
    assert main(words) == 0
    assert "warning: UAR 14.3%" in capsys.readouterr().out
    about = Bundle.open(tmp_path / "bundle").manifest.about
    assert "14.3% for the 7 labels" in about["warning"]
    for name in ("report.md", "MODEL_CARD.md"):
        assert f"**At chance level**: {about['warning']}" in (tmp_path / "bundle" / name).read_text(
            "utf-8"
        )
    assert main([*words, "--json", "--overwrite"]) == 0
    assert json.loads(capsys.readouterr().out)["warning"] == about["warning"]
    card = (trained.run.folder / "bundle" / "MODEL_CARD.md").read_text("utf-8")
    assert "At chance level" not in card


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
