"""Variants: their names, their path from a recording to probabilities, and the recording."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import HERE, bundle_precisions
from numpy.typing import NDArray
from raising import raises

from ser_edge import Bundle, Classifier
from ser_edge.audio import read
from ser_edge.errors import AudioError
from ser_edge.manifest import ModelFile
from ser_edge_bench import variant as module
from ser_edge_bench.clip import clip_from_file, golden_clip, wav_bytes
from ser_edge_bench.figures import SHARED_STAGES
from ser_edge_bench.variant import BenchVariant, Pipeline, bench_variants, default_variant


@pytest.fixture
def bundle(bundle_dir: Path) -> Bundle:
    return Bundle.open(bundle_dir)


@pytest.mark.parametrize(("backend", "precision"), bundle_precisions(*HERE))
def test_the_stages_give_what_predict_gives(bundle: Bundle, backend: str, precision: str) -> None:
    clip = golden_clip(bundle)
    classifier = Classifier.load(bundle.folder, backend=backend, precision=precision)
    prediction = classifier.predict(clip.content)
    expected = list(prediction.probabilities.values())
    variant = BenchVariant(backend, classifier.model)
    pipeline = Pipeline(bundle, variant, 1)
    for each in (pipeline, pipeline.renewed()):
        np.testing.assert_array_equal(each.predict(clip.content), expected)
        found: dict[str, Any] = {name: call() for name, call in each.calls(clip.content).items()}
        decode, resample, features, network, end_to_end = found
        assert (network, end_to_end) == (f"{variant.name}:network", f"{variant.name}:end_to_end")
        assert (decode, resample, features) == SHARED_STAGES
        np.testing.assert_array_equal(found[network].mean(axis=0), expected)
        np.testing.assert_array_equal(found[end_to_end], expected)
        by_features = classifier.probabilities(found[features]).mean(axis=0)
        np.testing.assert_array_equal(by_features, expected)
        assert found[decode][1] == 48000
        assert len(found[resample]) == pytest.approx(3 * 22050, abs=1)
    assert clip.windows == prediction.n_windows == 1


class FakeBackend:
    """A network that puts each window into another class."""

    version = "made up"

    def __init__(self) -> None:
        self.inputs: list[NDArray[np.float32]] = []

    def run(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        self.inputs.append(inputs)
        return np.eye(7, dtype=np.float32)[: len(inputs)]


@pytest.mark.parametrize(("input_kind", "shape"), [("audio", (66150,)), ("batch", (130, 22))])
def test_files_of_other_kinds(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, input_kind: str, shape: tuple[int, ...]
) -> None:
    fake = FakeBackend()
    monkeypatch.setattr(module, "open_model", lambda *_, **__: fake)
    monkeypatch.setattr(Bundle, "model_bytes", lambda self, model: b"")
    model = ModelFile(f"{input_kind}.float32.onnx", "float32", input_kind, "0", 0)
    variant = BenchVariant("onnx", model)
    assert variant.name == f"{input_kind}.float32.onnx"
    rng = np.random.default_rng(0)
    content = wav_bytes(rng.normal(0, 0.1, 5 * 16000).astype(np.float32), 16000)
    pipeline = Pipeline(bundle, variant, 1)
    probabilities = pipeline.predict(content)
    assert probabilities.sum() == pytest.approx(1)
    np.testing.assert_allclose(probabilities[:3], probabilities[0], rtol=1e-12)  # the windows' mean
    if input_kind == "audio":  # its output is probabilities: no softmax
        np.testing.assert_allclose(probabilities, [1 / 3] * 3 + [0] * 4)
    network: Any = pipeline.calls(content)[f"{variant.name}:network"]()
    np.testing.assert_allclose(network.mean(axis=0), probabilities)
    assert [inputs.shape for inputs in fake.inputs] == [(3, *shape)] * 2  # all windows at once


def test_the_golden_clip_needs_resampling(bundle: Bundle) -> None:
    clip = golden_clip(bundle)
    samples, sample_rate = read(clip.content)
    assert (sample_rate, clip.sample_rate, clip.name) == (48000, 48000, "golden clip 1")
    assert clip.seconds == pytest.approx(len(samples) / sample_rate) == pytest.approx(3, abs=1e-3)
    assert np.abs(samples).max() > 0.1


def test_a_recording_from_a_file(bundle: Bundle, tmp_path: Path) -> None:
    path = tmp_path / "mine.wav"
    path.write_bytes(wav_bytes(np.sin(np.arange(40000, dtype=np.float32)), 8000))
    clip = clip_from_file(bundle, path)
    assert (clip.name, clip.sample_rate, clip.seconds, clip.windows) == ("mine.wav", 8000, 5.0, 3)
    assert clip.content == path.read_bytes()
    path.write_bytes(wav_bytes(np.zeros(40000, np.float32), 8000))
    with raises(AudioError, source="mine.wav"):
        clip_from_file(bundle, path)
    with pytest.raises(AudioError):
        clip_from_file(bundle, tmp_path / "none.wav")


def test_names(bundle: Bundle) -> None:
    names = [variant.name for variant in bench_variants(bundle)]
    assert names[:2] == ["float32.litert", "int8.litert"]
    assert names[-1] == "float32.numeric"
    assert len(set(names)) == len(names) == 7


def test_the_default_is_that_of_predict(bundle: Bundle) -> None:
    every = bench_variants(bundle)
    assert default_variant(bundle, every).name == "int8.litert"
    assert default_variant(bundle, every[2:]).name == "float32.tflite"
    assert default_variant(bundle, every[4:]).name == "int8.onnx"
    assert default_variant(bundle, every[4:5]).name == "float32.onnx"  # the only one
