"""The way from a recording to its answer, for each kind of model file, and what it is fed with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import HERE, held_forms
from numpy.typing import NDArray

from ser_edge import Bundle, Classifier
from ser_edge.audio import read
from ser_edge.errors import AudioError
from ser_edge.manifest import ModelFile
from ser_edge_bench import pipeline as ways
from ser_edge_bench.bench_clip import golden_clip, own_clip, wav_bytes
from ser_edge_bench.pipeline import Pipeline, Stages
from ser_edge_bench.variant import predicts, variants

FORMS = held_forms(*HERE)


@pytest.fixture
def bundle(bundle_dir: Path) -> Bundle:
    return Bundle.open(bundle_dir)


@pytest.mark.parametrize(("backend", "precision"), FORMS)
def test_its_stages_come_to_what_predict_says(bundle: Bundle, backend: str, precision: str) -> None:
    clip = golden_clip(bundle)
    classifier = Classifier.load(bundle.folder, backend=backend, precision=precision)
    expected = classifier.predict(clip.content)
    pipeline = Pipeline(bundle, backend, classifier.model, 1)
    np.testing.assert_array_equal(
        pipeline.predict(clip.content), list(expected.probabilities.values())
    )
    stages = Stages(bundle)
    samples = stages.resample(*stages.decode(clip.content))
    by_stages = pipeline.network(pipeline.network_inputs(samples)).mean(axis=0)
    np.testing.assert_array_equal(by_stages, list(expected.probabilities.values()))
    calls = stages.calls(clip.content)
    assert list(calls) == ["decode", "resample", "features"]
    np.testing.assert_array_equal(calls["features"](), pipeline.network_inputs(samples))  # type: ignore[arg-type]
    assert clip.windows == expected.n_windows == 1


class Heard:
    """A file that takes samples, or any number of windows."""

    version = "made up"

    def __init__(self) -> None:
        self.inputs: list[NDArray[np.float32]] = []

    def run(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        self.inputs.append(inputs)
        return np.eye(7, dtype=np.float32)[: len(inputs)]  # each window another label


@pytest.mark.parametrize(("input_kind", "shape"), [("audio", (66150,)), ("batch", (130, 22))])
def test_files_of_other_kinds(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, takes: str, shape: tuple[int, ...]
) -> None:
    heard = Heard()

    def open_model(*_: Any, **__: Any) -> Heard:
        return heard

    monkeypatch.setattr(ways, "open_model", open_model)
    monkeypatch.setattr(Bundle, "verified", lambda self, model: Path(model.file))
    model = ModelFile(f"{takes}.float32.onnx", "float32", takes, "0", 0)
    pipeline = Pipeline(bundle, "onnx", model, 1)
    rng = np.random.default_rng(0)
    content = wav_bytes(rng.normal(0, 0.1, 5 * 16000).astype(np.float32), 16000)
    said = pipeline.predict(content)
    assert said.sum() == pytest.approx(1)
    np.testing.assert_allclose(said[:3], said[0], rtol=1e-12)  # the mean over windows
    if takes == "audio":  # probabilities, which go through no softmax any more
        np.testing.assert_allclose(said, [1 / 3] * 3 + [0] * 4)
    (inputs,) = heard.inputs  # all windows at once
    assert inputs.shape == (3, *shape)


def test_the_golden_clip_is_to_be_resampled(bundle: Bundle) -> None:
    clip = golden_clip(bundle)
    samples, rate = read(clip.content)
    assert (rate, clip.rate, clip.name) == (48000, 48000, "golden clip 1")
    assert clip.seconds == pytest.approx(len(samples) / rate) == pytest.approx(3, abs=1e-3)
    assert np.abs(samples).max() > 0.1


def test_a_recording_of_ones_own(bundle: Bundle, tmp_path: Path) -> None:
    path = tmp_path / "mine.wav"
    path.write_bytes(wav_bytes(np.sin(np.arange(40000, dtype=np.float32)), 8000))
    clip = own_clip(bundle, path)
    assert (clip.name, clip.rate, clip.seconds, clip.windows) == ("mine.wav", 8000, 5.0, 3)
    assert clip.content == path.read_bytes()
    path.write_bytes(wav_bytes(np.zeros(40000, np.float32), 8000))
    with pytest.raises(AudioError, match=r"^mine\.wav: is silent"):
        own_clip(bundle, path)
    with pytest.raises(AudioError, match=r"^none\.wav: does not exist"):
        own_clip(bundle, tmp_path / "none.wav")


def test_names_of_variants(bundle: Bundle) -> None:
    names = [variant.name for variant in variants(bundle)]
    assert names[:2] == ["float32.litert", "int8.litert"]
    assert names[-1] == "float32.numeric"
    assert len(set(names)) == len(names) == 7


def test_which_one_predict_takes(bundle: Bundle) -> None:
    every = list(variants(bundle))
    assert predicts(bundle, every).name == "int8.litert"
    assert predicts(bundle, every[2:]).name == "float32.tflite"
    assert predicts(bundle, every[4:]).name == "int8.onnx"
    assert predicts(bundle, every[4:5]).name == "float32.onnx"  # which is not preferred, but there
