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

from ser_edge import Bundle, Classifier, Prediction, Segment, audio
from ser_edge.errors import AudioError, BackendError, BundleError, ConfigError
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
    assert prediction.probabilities[prediction.label] == prediction.probability
    assert (prediction.start_s, prediction.end_s, prediction.n_windows) == (0, 3, 1)
    assert set(prediction.timings_ms) == {"decode", "features", "network"}
    assert all(time >= 0 for time in prediction.timings_ms.values())
    assert json.loads(json.dumps(prediction.to_dict())) == prediction.to_dict()
    rebuilt = prediction.to_dict()
    rebuilt["segments"] = tuple(Segment(**segment) for segment in rebuilt["segments"])
    assert Prediction(**rebuilt) == prediction


def test_a_segment_is_what_is_heard_in_one_window(
    classifier: Classifier, golden: dict[str, Any]
) -> None:
    samples = golden["clip2_samples"]
    prediction = classifier.predict(samples, RATE)
    assert len(prediction.segments) == prediction.n_windows == 2
    assert prediction.start_s == prediction.segments[0].start_s
    assert prediction.end_s == prediction.segments[-1].end_s
    for segment, start in zip(prediction.segments, golden["clip2_starts"], strict=True):
        assert segment.start_s == start / RATE
        assert segment.end_s == pytest.approx(segment.start_s + 3)
        alone = classifier.predict(samples[start:][: 3 * RATE], RATE)
        (only,) = alone.segments
        assert only.probabilities == segment.probabilities == alone.probabilities
        assert (only.label, only.probability) == (segment.label, segment.probability)
        assert segment.probability == segment.probabilities[segment.label]
    for label in LABELS:
        each = [segment.probabilities[label] for segment in prediction.segments]
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


def test_batches(classifier: Classifier, golden: dict[str, Any], tmp_path: Path) -> None:
    clips = [golden[f"clip{i}_samples"] for i in range(3)]
    expected = [answer(classifier.predict(clip, RATE)) for clip in clips]
    assert [answer(p) for p in classifier.predict_batch(iter(clips), RATE)] == expected
    assert [answer(p) for p in classifier.predict_batch([wav(c) for c in clips])] == expected
    assert classifier.predict_batch([]) == []
    with pytest.raises(AudioError, match=r"gone\.wav: does not exist"):
        classifier.predict_batch([wav(clips[0]), tmp_path / "gone.wav"])


@pytest.mark.parametrize("backend", [parameter("litert"), parameter("onnx")])
def test_threads_share_a_classifier(bundle_dir: Path, golden: dict[str, Any], backend: str) -> None:
    shared = Classifier.load(bundle_dir, backend=backend)
    clips = [golden[f"clip{i % 3}_samples"][i * 100 :] for i in range(24)]
    expected = [shared.predict(clip, RATE).probabilities for clip in clips]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda clip: shared.predict(clip, RATE).probabilities, clips))
    assert found == expected


@pytest.mark.parametrize(
    ("recording", "rate", "error", "message"),
    [
        (np.zeros(5000), RATE, AudioError, "^the array: is silent"),
        (np.zeros(0), RATE, AudioError, "there are no samples"),
        (np.array([0.1, np.nan]), RATE, AudioError, "sample 1 is nan"),
        (np.ones((2, 500)), RATE, AudioError, "expected one channel"),
        (1000.0 * np.ones(500), RATE, AudioError, "^the array: has a peak of 1000; expected"),
        (np.ones(500), 100, AudioError, "sample rate is 100 Hz"),
        (np.ones(500), None, ConfigError, "sample_rate=None; expected"),
        (np.ones(500), "22050", ConfigError, "sample_rate='22050'; expected"),
        ([0.1, 0.2], RATE, AudioError, "cannot be read from list"),
        (b"", None, AudioError, "^the recording: is empty"),
        ("gone.wav", None, AudioError, r"^gone\.wav: does not exist"),
        (wav(np.zeros(5000)), None, AudioError, "^the recording: is silent: its peak is 0 of full"),
    ],
    ids=range(12),
)
def test_what_cannot_be_classified(
    classifier: Classifier, recording: Any, rate: int | None, error: type, message: str
) -> None:
    with pytest.raises(error, match=message):
        classifier.predict(recording, rate)


def test_silence_is_named_by_its_file(classifier: Classifier, tmp_path: Path) -> None:
    path = tmp_path / "pause.wav"
    path.write_bytes(wav(np.full(5000, 1e-4)))
    with pytest.raises(AudioError, match=r"^pause\.wav: is silent: its peak is 9\.2e-05 of full"):
        classifier.predict(path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backend": "torch"}, "backend='torch'; expected one of litert, tflite, onnx"),
        ({"threads": 0}, "threads=0; expected 1 to 64"),
        ({"threads": 65}, "threads=65; expected 1 to 64"),
        ({"threads": "2"}, "threads='2'; expected"),
    ],
)
def test_illegal_options_are_named(bundle_dir: Path, options: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Classifier.load(bundle_dir, **options)


def test_other_refusals_on_loading(bundle_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="holds no int4 file for onnx, only model"):
        Classifier.load(bundle_dir, backend="onnx", precision="int4")
    with pytest.raises(BundleError, match=r"holds no manifest\.json"):
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


def test_repr_tells_what_is_loaded(classifier: Classifier, bundle_dir: Path) -> None:
    assert repr(classifier) == (
        f"Classifier({str(bundle_dir)!r}: model.float32.npz in numeric, 3.0 s windows, "
        f"labels {', '.join(LABELS)})"
    )


class Network:
    """A backend that says what it was told to."""

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
    with pytest.raises(BackendError, match=r"model\.float32\.tflite gives .*expected \(1, 7\)"):
        classifier.predict(golden["clip0_samples"], RATE)


def test_softmax(rng: np.random.Generator) -> None:
    logits = rng.uniform(-5, 5, (4, 7)).astype(np.float32)
    expected = np.exp(logits.astype(float)) / np.exp(logits.astype(float)).sum(axis=1)[:, None]
    np.testing.assert_allclose(softmax(logits), expected, rtol=1e-6)
    np.testing.assert_array_equal(softmax(np.array([[1e30, 0, -1e30]], np.float32)), [[1, 0, 0]])
