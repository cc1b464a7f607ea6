"""Bounds on bytes, seconds and time, for recordings that come from strangers."""

import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from conftest import needs
from numpy.typing import NDArray
from raising import raises

from ser_edge import AudioError, Bundle, Classifier, ConfigError, SerEdgeError
from ser_edge.recording import opened_recording

RATE = 22050
SECOND = np.full(RATE, 1000, np.int16)


def wav(samples: NDArray[np.int16]) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format="WAV")
    return file.getvalue()


class Network:
    """A backend that needs one second of its own clock per window."""

    version = "none"
    now = 0.0

    def run(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        self.now += len(inputs)
        return np.zeros((len(inputs), 7), np.float32)


@pytest.fixture
def network() -> Network:
    return Network()


@pytest.fixture
def classifier(bundle_dir: Path, network: Network) -> Classifier:
    bundle = Bundle.open(bundle_dir)
    return Classifier(bundle, bundle.manifest.models[0], "none", network)


def as_path(samples: NDArray[np.int16], folder: Path) -> Any:
    path = folder / "clip.wav"
    path.write_bytes(wav(samples))
    return path


SOURCES = [
    (lambda samples, _: wav(samples), None, "the recording", 44),
    (as_path, None, "clip.wav", 44),
    (lambda samples, _: samples, RATE, "the array", 0),
]


@pytest.mark.parametrize(("source", "rate", "name", "header"), SOURCES)
def test_bytes_and_seconds(
    classifier: Classifier,
    network: Network,
    tmp_path: Path,
    source: Callable[[NDArray[np.int16], Path], Any],
    rate: int | None,
    name: str,
    header: int,
) -> None:
    recording = source(SECOND, tmp_path)
    size = header + 2 * RATE
    classifier.predict(recording, rate, max_bytes=size, max_s=1)
    network.now = 0
    with raises(AudioError, f"{size} bytes", f"max_bytes={size - 1}", source=name):
        classifier.predict(recording, rate, max_bytes=size - 1)
    with raises(AudioError, "1.000 s", "max_s=0.9", source=name):
        classifier.predict(recording, rate, max_s=0.9)
    assert network.now == 0


@pytest.mark.parametrize("kind", [bytes, io.BytesIO])
def test_a_sample_rate_is_for_arrays_alone(classifier: Classifier, kind: type) -> None:
    with raises(ConfigError, "sample_rate=16000", "NumPy array"):
        classifier.predict(kind(wav(SECOND)), 16000)
    with raises(ConfigError, "sample_rate=0"):
        classifier.predict("clip.wav", 0)
    with raises(ConfigError, "sample_rate=None"):
        classifier.predict(SECOND)


@pytest.mark.parametrize("limit", ["max_bytes", "max_s", "budget_s"])
@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, "9", True])
def test_illegal_limits_are_named(classifier: Classifier, limit: str, value: Any) -> None:
    with raises(ConfigError, f"{limit}={value!r}", source=""):
        classifier.predict(b"", **{limit: value})


def test_bytes_are_whole(classifier: Classifier) -> None:
    with raises(ConfigError, "max_bytes=1000000.0", "whole"):
        classifier.predict(b"", max_bytes=1e6)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("budget_s", "progress"),
    [
        (0.9, "0 windows finished after 1.000 s"),
        (1, "1 of 8 windows finished after 2.000 s"),
        (3.5, "3 of 8 windows finished after 4.000 s"),
        (7.9, "7 of 8 windows finished after 8.000 s"),
        (8, None),
    ],
)
def test_a_spent_budget_reports_the_progress(
    classifier: Classifier,
    network: Network,
    monkeypatch: pytest.MonkeyPatch,
    budget_s: float,
    progress: str | None,
) -> None:
    def opened_for_a_second(*arguments: Any, **limits: Any) -> Any:
        network.now += 1
        return opened_recording(*arguments, **limits)

    monkeypatch.setattr("ser_edge.classifier.opened_recording", opened_for_a_second)
    monkeypatch.setattr("ser_edge.classifier.perf_counter", lambda: network.now)
    ten_seconds = np.tile(SECOND, 10)
    if progress is None:
        # The last window was begun in time: its answer is not thrown away.
        assert classifier.predict(ten_seconds, RATE, budget_s=budget_s).n_windows == 8
        return
    with raises(SerEdgeError, progress, f"budget_s={budget_s}", source="the array"):
        classifier.predict(ten_seconds, RATE, budget_s=budget_s)


@needs("onnx")
def test_a_budget_that_suffices_changes_nothing(bundle_dir: Path, golden: dict[str, Any]) -> None:
    classifier = Classifier.load(bundle_dir, backend="onnx")
    clip = wav(golden["clip2_samples"])
    limited = classifier.predict(clip, max_bytes=len(clip), max_s=60, budget_s=60)
    assert limited.windows == classifier.predict(clip).windows
