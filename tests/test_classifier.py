"""From any recording to a prediction."""

import io
import json
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from conftest import parameter
from numpy.typing import NDArray
from raising import raises

from ser_edge import Bundle, Classifier, Prediction, Profile, Window, audio
from ser_edge.errors import AudioError, BackendError, BundleError, ConfigError, SerEdgeError
from ser_edge.prediction import softmax

RATE = 22050
LABELS = ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]


@pytest.fixture(scope="module")
def classifier(bundle_dir: Path) -> Classifier:
    return Classifier.load(bundle_dir, backend="numeric", precision="float32")


def wav(samples: NDArray[Any], rate: int = RATE) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype="PCM_16")
    return file.getvalue()


def answer(prediction: Prediction) -> dict[str, Any]:
    """All of it but the timings."""
    return {**prediction.to_dict(), "timings_ms": None}


def test_every_kind_of_recording(
    classifier: Classifier, golden: dict[str, Any], tmp_path: Path
) -> None:
    samples = golden["clip2_samples"]
    data = wav(samples)
    path = tmp_path / "clip.wav"
    path.write_bytes(data)
    expected = answer(classifier.predict(samples, RATE))
    assert expected["n_windows"] == 2
    for recording in (path, str(path), data, bytearray(data), memoryview(data), io.BytesIO(data)):
        assert answer(classifier.predict(recording)) == expected
    with path.open("rb") as file:
        assert answer(classifier.predict(file)) == expected
    for scaled in (samples / np.float32(32768), samples / 32768):
        assert answer(classifier.predict(scaled, RATE)) == expected


def test_a_prediction(classifier: Classifier, golden: dict[str, Any]) -> None:
    prediction = classifier.predict(golden["clip1_samples"], RATE)
    assert list(prediction.probabilities) == LABELS == list(classifier.labels)
    assert math.isclose(sum(prediction.probabilities.values()), 1, abs_tol=1e-12)
    assert prediction.probability == max(prediction.probabilities.values())
    best = max(prediction.probabilities, key=prediction.probabilities.__getitem__)
    assert (prediction.label, prediction.state) == (best, "speech")
    assert (prediction.start_s, prediction.end_s, prediction.n_windows) == (0, 3, 1)
    assert set(prediction.timings_ms) == {"decode", "features", "network"}
    assert all(time >= 0 for time in prediction.timings_ms.values())
    assert json.loads(json.dumps(prediction.to_dict())) == prediction.to_dict()
    rebuilt = prediction.to_dict()
    rebuilt["windows"] = tuple(Window(**window) for window in rebuilt["windows"])
    assert Prediction(**rebuilt) == prediction


def test_windows_are_predictions_of_their_samples(
    classifier: Classifier, golden: dict[str, Any]
) -> None:
    samples = golden["clip2_samples"]
    prediction = classifier.predict(samples, RATE)
    assert len(prediction.windows) == prediction.n_windows == 2
    assert prediction.start_s == prediction.windows[0].start_s
    assert prediction.end_s == prediction.windows[-1].end_s
    for window, start in zip(prediction.windows, golden["clip2_starts"], strict=True):
        assert window.start_s == start / RATE
        assert window.end_s == pytest.approx(window.start_s + 3)
        alone = classifier.predict(samples[start:][: 3 * RATE], RATE)
        (only,) = alone.windows
        assert only.probabilities == window.probabilities == alone.probabilities
        assert (only.label, only.probability) == (window.label, window.probability)
        assert window.label
        assert window.probability == window.probabilities[window.label]
    for label in LABELS:
        each = [window.probabilities[label] for window in prediction.windows]
        assert prediction.probabilities[label] == pytest.approx(np.mean(each), rel=1e-12)


def test_long_clips_are_averaged_over_their_windows(
    classifier: Classifier, golden: dict[str, Any]
) -> None:
    prediction = classifier.predict(golden["clip2_samples"], RATE)
    each = classifier.probabilities(golden["clip2_inputs"])
    assert each.shape == (2, 7)
    assert np.abs(each - each.mean(axis=0)).max() > 0.01
    # The golden inputs carry the features' own tolerance; see test_backends.py.
    np.testing.assert_allclose(
        list(prediction.probabilities.values()), each.mean(axis=0), rtol=0, atol=1e-4
    )
    assert prediction.start_s == golden["clip2_starts"][0] / RATE
    assert prediction.end_s == pytest.approx(golden["clip2_starts"][-1] / RATE + 3)


def test_short_clips_are_repeated(classifier: Classifier, golden: dict[str, Any]) -> None:
    samples = golden["clip0_samples"]
    prediction = classifier.predict(samples, RATE)
    assert (prediction.start_s, prediction.end_s) == (0, len(samples) / RATE)
    repeated = classifier.predict(np.resize(samples, 3 * RATE), RATE)
    assert repeated.probabilities == prediction.probabilities
    assert classifier.predict(np.array([9000], np.int16), RATE).n_windows == 1


def test_other_rates_are_resampled(classifier: Classifier, rng: np.random.Generator) -> None:
    time = np.arange(3 * 48000) / 48000
    clip = 0.3 * np.sin(2 * np.pi * 150 * time) * np.sin(2 * np.pi * 3 * time) ** 2
    clip += 0.01 * rng.standard_normal(len(time))
    whole = classifier.predict(clip, 48000)
    resampled = audio.load(wav(clip, 48000), RATE)
    from_file = classifier.predict(wav(clip, 48000))
    assert answer(from_file) == answer(classifier.predict(resampled, RATE))
    for label, share in whole.probabilities.items():
        assert abs(share - from_file.probabilities[label]) < 0.01


@pytest.mark.parametrize("backend", [parameter("litert"), parameter("onnx")])
def test_threads_share_a_classifier(bundle_dir: Path, golden: dict[str, Any], backend: str) -> None:
    shared = Classifier.load(bundle_dir, backend=backend)
    clips = [golden[f"clip{i % 3}_samples"][i * 100 :] for i in range(24)]
    expected = [shared.predict(clip, RATE).probabilities for clip in clips]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda clip: shared.predict(clip, RATE).probabilities, clips))
    assert found == expected


@pytest.mark.parametrize(
    ("recording", "rate", "error", "source", "value"),
    [
        (np.zeros(5000), RATE, AudioError, "the array", "silent"),
        (np.zeros(0), RATE, AudioError, "the array", "no samples"),
        (np.array([0.1, np.nan]), RATE, AudioError, "the array", "sample 1 is nan"),
        (np.ones((2, 500)), RATE, AudioError, "the array", "(2, 500)"),
        (1000.0 * np.ones(500), RATE, AudioError, "the array", 1000),
        (np.ones(500), 100, ConfigError, "the array", "sample_rate=100"),
        (np.ones(500), None, ConfigError, "the array", "sample_rate=None"),
        (np.ones(500), "22050", ConfigError, "the array", "sample_rate='22050'"),
        ([0.1, 0.2], RATE, AudioError, "the recording", "list"),
        (b"", None, AudioError, "the recording", "0 bytes"),
        ("gone.wav", None, AudioError, "gone.wav", "exist"),
        (wav(np.zeros(5000)), None, AudioError, "the recording", "its peak is 0 "),
    ],
    ids=range(12),
)
def test_what_cannot_be_classified(
    classifier: Classifier,
    recording: Any,
    rate: int | None,
    error: type[SerEdgeError],
    source: str,
    value: object,
) -> None:
    with raises(error, value, source=source):
        classifier.predict(recording, rate)


def test_whole_floats_are_sample_rates(classifier: Classifier, golden: dict[str, Any]) -> None:
    samples = golden["clip1_samples"]
    for rate in (float(RATE), np.float32(RATE), np.int32(RATE)):
        found = classifier.predict(samples, rate)  # type: ignore[arg-type]
        assert answer(found) == answer(classifier.predict(samples, RATE))


def test_silence_is_named_by_its_file(classifier: Classifier, tmp_path: Path) -> None:
    path = tmp_path / "pause.wav"
    path.write_bytes(wav(np.full(5000, 1e-4)))
    with raises(AudioError, "silent", 9.2e-05, source="pause.wav"):
        classifier.predict(path)


@pytest.mark.parametrize(
    "options",
    [
        {"backend": "torch"},
        {"precision": "int4"},
        {"threads": 0},
        {"threads": 65},
        {"threads": "2"},
        {"threads": True},
        {"profile": "anna.json"},
    ],
    ids=str,
)
def test_illegal_options_are_named(bundle_dir: Path, options: Any) -> None:
    ((name, value),) = options.items()
    with raises(ConfigError, f"{name}={value!r}"):
        Classifier.load(bundle_dir, **options)


def test_other_refusals_on_loading(bundle_dir: Path, tmp_path: Path) -> None:
    with raises(BackendError, "int8", "numeric"):
        Classifier.load(bundle_dir, backend="numeric", precision="int8")
    wrong: Any = 5
    with raises(ConfigError, "folder=5"):
        Classifier.load(wrong)
    with raises(ConfigError, "path=5"):
        Profile.load(wrong)
    with raises(BundleError, "manifest.json"):
        Classifier.load(tmp_path)


@pytest.mark.parametrize("backend", [parameter("litert"), parameter("onnx")])
def test_threads_change_nothing_but_rounding(
    bundle_dir: Path, golden: dict[str, Any], backend: str
) -> None:
    one, two = (
        Classifier.load(bundle_dir, backend=backend, precision="float32", threads=threads)
        for threads in (1, 2)
    )
    np.testing.assert_allclose(
        one.probabilities(golden["clip2_inputs"]),
        two.probabilities(golden["clip2_inputs"]),
        rtol=0,
        atol=1e-5,
    )


def test_repr(classifier: Classifier, bundle_dir: Path) -> None:
    assert repr(classifier) == (
        f"Classifier({str(bundle_dir)!r}: model.float32.npz in numeric, 3.0 s windows, "
        f"labels {', '.join(LABELS)})"
    )


class Network:
    """A backend with constant outputs."""

    version = "none"

    def __init__(self, *logits: float) -> None:
        self._logits = logits

    def run(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.tile(np.array(self._logits, np.float32), (len(inputs), 1))


def test_temperature_divides_the_logits(bundle_dir: Path, golden: dict[str, Any]) -> None:
    bundle = Bundle.open(bundle_dir)
    model = bundle.manifest.models[0]
    network = Network(1, 0, 0, 0, 0, 0, 2)
    prediction = Classifier(bundle, model, "none", network).predict(golden["clip2_samples"], RATE)
    exponents = np.exp(np.array([1, 0, 0, 0, 0, 0, 2]) / bundle.manifest.temperature)
    expected = exponents / exponents.sum()
    np.testing.assert_allclose(list(prediction.probabilities.values()), expected, rtol=1e-6)
    assert prediction.label == "surprise"


@pytest.mark.parametrize("logits", [(1, 2, 3), (0,) * 8, (math.nan,) * 7, (0, 0, 0, 0, 0, 0, 1e39)])
def test_networks_that_do_not_fit_the_manifest(
    bundle_dir: Path, golden: dict[str, Any], logits: tuple[float, ...]
) -> None:
    bundle = Bundle.open(bundle_dir)
    with np.errstate(over="ignore"):
        network = Network(*np.array(logits, np.float32))
    classifier = Classifier(bundle, bundle.manifest.models[0], "none", network)
    with raises(BackendError, (1, len(logits)), (1, 7), source="model.float32.tflite"):
        classifier.predict(golden["clip0_samples"], RATE)


def test_softmax(rng: np.random.Generator) -> None:
    logits = rng.uniform(-5, 5, (4, 7)).astype(np.float32)
    expected = np.exp(logits.astype(float)) / np.exp(logits.astype(float)).sum(axis=1)[:, None]
    np.testing.assert_allclose(softmax(logits), expected, rtol=1e-6)
    assert softmax(logits).dtype == np.float64
    np.testing.assert_array_equal(softmax(logits[0]), softmax(logits)[0])
    np.testing.assert_array_equal(softmax(logits.reshape(2, 2, 7))[1, 1], softmax(logits)[3])
    np.testing.assert_array_equal(softmax(np.array([[1e30, 0, -1e30]], np.float32)), [[1, 0, 0]])
