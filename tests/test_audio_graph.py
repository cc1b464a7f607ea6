"""Variants with audio input: the front end as a graph, in NumPy, ONNX and TFLite."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from conftest import Trained
from numpy.typing import NDArray
from raising import raises

from ser_edge import Bundle, Classifier, ConfigError, FeatureConfig, SerEdgeError, WindowConfig
from ser_edge.features import FeatureExtractor
from ser_edge.frontend import Frontend, InputConfig
from ser_edge_export.acceptance import AcceptanceCriteria
from ser_edge_export.audio_onnx import with_audio
from ser_edge_export.export import export
from ser_edge_export.run_model import trained_model_of_run
from ser_edge_export.variants import chosen_variants
from ser_edge_export.waveform import waveform_inputs

Array = NDArray[np.float32]


class NumPyOps:
    """The operations of `ser_edge_export.waveform.Ops` in NumPy."""

    def reshape(self, x: Array, shape: Sequence[int]) -> Array:
        return x.reshape(shape)

    def take(self, x: Array, which: NDArray[np.int32], axis: int = 0) -> Array:
        return np.take(x, which, axis=axis)

    def part(self, x: Array, start: int, stop: int) -> Array:
        return x[start:stop]

    def pad(self, x: Array, left: int, right: int) -> Array:
        return np.pad(x, (left, right))

    def total(self, x: Array) -> Any:
        return x.sum(axis=-1)

    def largest(self, x: Array) -> Any:
        return x.max()

    def largest_of_row(self, x: Array) -> Any:
        return x.max(axis=-1)

    def larger(self, x: Any, y: Any) -> Any:
        return np.maximum(x, y)

    def smaller(self, x: Any, y: Any) -> Any:
        return np.minimum(x, y)

    def below(self, x: Array, limit: float) -> Any:
        return (x < np.float32(limit)).astype(np.float32)

    def absolute(self, x: Array) -> Any:
        return np.abs(x)

    def sqrt(self, x: Array) -> Any:
        return np.sqrt(x)

    def log(self, x: Array) -> Any:
        return np.log(x)

    def exp(self, x: Array) -> Any:
        return np.exp(x)

    def join(self, parts: Sequence[Array], axis: int) -> Array:
        return np.concatenate(parts, axis)


def input_config(layout: str = "sequence", duration_s: float = 3.0, **settings: Any) -> InputConfig:
    """Make an input whose statistics are one of a kind for each column."""
    features, window = FeatureConfig(**settings), WindowConfig(duration_s=duration_s)
    n_frames, n_columns = (
        features.n_frames(window.n_samples(features.sample_rate)),
        len(features.columns),
    )
    size = n_columns if layout == "sequence" else n_frames * n_columns
    mean, scale = np.linspace(-1, 1, size).tolist(), np.linspace(1, 2, size).tolist()
    return InputConfig(features, window, layout, tuple(mean), tuple(scale))


CONFIGS = {
    "edge": input_config(descriptors=("zcr", "log_rms", "mfcc", "log_f0", "voicing")),
    "short frames": input_config(n_fft=1024, descriptors=("log_f0", "voicing")),
    "seed": input_config("flat", 2.5),
    "telephone": input_config(sample_rate=16000, n_fft=400, hop_length=160),
    "prime": input_config(n_fft=509, hop_length=128),
    "not centred": input_config(center=False),
    "hop that does not divide": input_config(n_fft=2048, hop_length=500),
    "hop beyond the frame": input_config(n_fft=1000, hop_length=3000),
    "odd": input_config(
        n_fft=511, hop_length=511, center=False, descriptors=("log_mel", "zcr", "rms")
    ),
    "few bands": input_config(n_mels=20, n_mfcc=13, fmin=100, fmax=7000, duration_s=1.01),
}
SIGNALS: dict[str, Callable[[np.random.Generator, int], Any]] = {
    "noise": lambda rng, n: 0.1 * rng.standard_normal(n),
    "quiet": lambda rng, n: 1e-4 * rng.standard_normal(n),
    "impulse": lambda _rng, n: np.eye(1, n, n // 2)[0],
    "square": lambda _rng, n: np.where(np.arange(n) // 50 % 2, 1.0, -1.0),
    "rumble": lambda _rng, n: np.sin(0.0148 * np.arange(n)),
    "tone": lambda _rng, n: np.sin(0.1 * np.arange(n)) * np.hanning(n),
    "steps around the threshold": lambda _rng, n: np.where(np.arange(n) % 2, 1.0, -1.0) * 1.1e-10,
}


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("name", CONFIGS)
def test_the_graph_computes_the_features(name: str, signal: str, rng: np.random.Generator) -> None:
    config = CONFIGS[name]
    n_samples = config.window_samples
    samples = SIGNALS[signal](rng, n_samples).astype(np.float32)
    found = waveform_inputs(NumPyOps(), samples, config)
    features = FeatureExtractor(config.features)(samples)
    expected = config.network_inputs(features[None])
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    # float32 throughout, against float64 in the transform: measured 2.9e-3, where bands 80 dB below
    # the loudest hold what rounding left; of MFCC up to 1000.
    np.testing.assert_allclose(found, expected, rtol=0, atol=6e-3)


@pytest.mark.parametrize("name", ["centroid", "rolloff", "flatness", "delta"])
def test_descriptors_that_a_graph_cannot_compute(name: str) -> None:
    config = input_config(descriptors=("zcr", name))
    with raises(ConfigError, name):
        waveform_inputs(NumPyOps(), np.zeros(66150, np.float32), config)


@pytest.mark.parametrize("name", ["edge", "telephone", "prime", "not centred"])
def test_onnx_runtime_computes_the_same(name: str, rng: np.random.Generator) -> None:
    import onnxruntime

    config = CONFIGS[name]
    shape = [1, *config.shape]
    of = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("ReduceMean", ["features"], ["logits"], axes=[1], keepdims=0),
        ],
        "mean",
        [of("features", onnx.TensorProto.FLOAT, shape)],
        [of("logits", onnx.TensorProto.FLOAT, [1, config.shape[1]])],
    )
    network = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    network.ir_version = 8
    content = with_audio(network.SerializeToString(), config, 2.0)
    samples = 0.1 * rng.standard_normal(config.window_samples)
    samples = samples.astype(np.float32)
    session = onnxruntime.InferenceSession(content)
    (found,) = session.run(None, {"samples": samples[None]})
    logits = waveform_inputs(NumPyOps(), samples, config).mean(axis=1) / 2
    expected = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


@pytest.fixture(scope="module")
def exported(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run's export with audio input."""
    out = tmp_path_factory.mktemp("audio") / "bundle"
    model = trained_model_of_run(trained.run.folder)
    variants = chosen_variants(int8=True, audio=True)
    export(model, out, variants, criteria=AcceptanceCriteria(0.9, 0.05))
    return out


@pytest.mark.training
def test_audio_variants_agree_with_the_python_path(exported: Path) -> None:
    about = Bundle.open(exported).manifest.about
    variants = {(v["file"], v["backend"]): v for v in about["variants"]}
    for suffix, backend in ((".tflite", "litert"), (".onnx", "onnx")):
        float32 = variants[f"audio.float32{suffix}", backend]
        assert float32["input_kind"] == "audio"
        assert float32["agreement"] == 1
        assert float32["largest_change"] < 1e-4  # measured 1e-6
        by_samples = variants[f"audio.int8{suffix}", backend]
        by_features = variants[f"model.int8{suffix}", backend]
        # The same int8 network; a few inputs round to the next level.
        assert abs(by_samples["largest_change"] - by_features["largest_change"]) < 0.02
        assert by_samples["size_bytes"] < by_features["size_bytes"] + 900_000


@pytest.mark.training
def test_a_window_and_its_probabilities(exported: Path, golden: dict[str, Any]) -> None:
    from ai_edge_litert.interpreter import Interpreter

    classifier = Classifier.load(exported, backend="litert", precision="float32")
    config = classifier.bundle.manifest.input
    samples = golden["clip1_samples"].astype(np.float32) / 32768
    window = np.resize(samples, config.window_samples)
    features, _ = Frontend(config.features, config.window)(window)
    expected = classifier.probabilities(config.network_inputs(features))

    interpreter = Interpreter(str(exported / "audio.float32.tflite"), num_threads=1)
    interpreter.allocate_tensors()
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.set_tensor(source["index"], window[None])
    interpreter.invoke()
    # Measured 2e-7.
    np.testing.assert_allclose(interpreter.get_tensor(result["index"]), expected, atol=1e-5)
    names = {operator["op_name"] for operator in interpreter._get_ops_details()}
    assert not any("Flex" in name or "CUSTOM" in name for name in names)


@pytest.mark.training
def test_the_network_inside_stays_bit_for_bit(exported: Path, rng: np.random.Generator) -> None:
    """After a trivial front end, a joined int8 network has the same output as alone."""
    from ai_edge_litert.interpreter import Interpreter

    from ser_edge_export.tflite_join import join
    from ser_edge_export.tflite_writer import converted

    network = (exported / "model.int8.tflite").read_bytes()
    shape = (1, *Bundle.open(exported).manifest.input.shape)
    joined = join(converted(lambda x: x * 2.0, "features", shape), network)
    inputs = rng.standard_normal(shape).astype(np.float32)
    outputs = []
    for content, values in ((joined, inputs), (network, 2 * inputs)):
        interpreter = Interpreter(model_content=content, num_threads=1)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], values)
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    np.testing.assert_array_equal(*outputs)
    assert join(converted(lambda x: x * 2.0, "features", shape), network) == joined
    with raises(SerEdgeError, "[1, 3]", shape[1]):
        join(converted(lambda x: x * 2.0, "features", (1, 3)), network)


@pytest.mark.training
def test_an_audio_file_keeps_a_signature_and_aligned_constants(exported: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter
    from tensorflow.lite.python.schema_py_generated import Model

    content = (exported / "audio.int8.tflite").read_bytes()
    interpreter = Interpreter(model_content=content, num_threads=1)
    run = interpreter.get_signature_runner()
    (name,), (output,) = run.get_input_details(), run.get_output_details().values()
    (result,) = interpreter.get_output_details()
    assert (name, output["name"]) == ("samples", result["name"])
    model = Model.GetRootAs(content)
    buffers = [model.Buffers(i).DataAsNumpy() for i in range(model.BuffersLength())]
    start = np.frombuffer(content, np.uint8).__array_interface__["data"][0]
    places = [b.__array_interface__["data"][0] - start for b in buffers if not isinstance(b, int)]
    assert len(places) > 10
    assert not any(place % 16 for place in places)


@pytest.mark.training
def test_a_file_has_metadata_of_its_input(exported: Path) -> None:
    (entry,) = onnx.load(str(exported / "audio.int8.onnx")).metadata_props
    content = json.loads(entry.value)
    assert (content["input_kind"], content["output"]) == ("audio", "probabilities")


@pytest.mark.training
def test_recordings_that_are_missing_or_changed(trained: Trained, tmp_path: Path) -> None:
    model = trained_model_of_run(trained.run.folder)
    variants = chosen_variants(audio=True)
    split = trained.run.folder / "split.csv"
    text = split.read_text("utf-8")
    path, *_, digest = next(row for row in text.splitlines() if ",test," in row).split(",")[:5]
    try:
        for old, new, source in ((path, "/no/such.wav", "/no/such.wav"), (digest, "0" * 64, path)):
            split.write_text(text.replace(old, new), "utf-8")
            with raises(SerEdgeError, "--audio", source=source):
                export(model, tmp_path / "bundle", variants)
    finally:
        split.write_text(text, "utf-8")
    assert not list(tmp_path.iterdir())
