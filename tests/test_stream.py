"""A stream gives the classifier's probabilities, however samples arrive, and steady labels."""

from __future__ import annotations

import math
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from raising import raises

from ser_edge import (
    AudioError,
    BackendError,
    Classifier,
    ConfigError,
    Segment,
    Stream,
    StreamConfig,
)
from ser_edge.choices import HOP_S, THRESHOLD
from ser_edge.resampling import resample
from ser_edge.streaming import analyze
from ser_edge.streaming.smoothing import LabelSmoother
from ser_edge.streaming.voice_activity import VoiceActivityDetector

RATE = 16000


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    bundle = Path(__file__).parent / "data" / "bundle"
    return Classifier.load(bundle, backend="numeric", precision="float32")


@pytest.fixture(scope="module")
def talk() -> NDArray[np.float32]:
    """Something like syllables for 12 s, silence for 5 s, and syllables again for 8 s."""
    time = np.arange(25 * RATE) / RATE
    rng = np.random.default_rng(0)
    pitch = 150 * (1 + 0.3 * np.sin(0.9 * time))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    voice = sum(np.sin(k * phase) / k for k in range(1, 12))
    voice *= np.maximum(np.sin(2 * np.pi * 1.7 * time), 0) ** 2
    voice[(12 * RATE) : (17 * RATE)] = 0
    return np.asarray(0.1 * voice + 1e-3 * rng.standard_normal(len(time)), np.float32)


def streamed(stream: Stream, signal: NDArray[Any], sizes: list[int]) -> list[Segment]:
    pieces = np.split(signal, np.cumsum(sizes))
    return [s for piece in pieces for s in stream.feed(piece)] + stream.flush()


@pytest.fixture(scope="module")
def at_once(classifier: Classifier, talk: NDArray[np.float32]) -> list[Segment]:
    """Segments of the talk, one a second, fed in one piece."""
    return streamed(Stream(classifier, RATE, hop_s=1), talk, [])


@given(sizes=st.lists(st.integers(0, 30000), max_size=30))
@settings(max_examples=15)
def test_any_chunking_gives_the_same(
    classifier: Classifier, talk: NDArray[np.float32], at_once: list[Segment], sizes: list[int]
) -> None:
    assert streamed(Stream(classifier, RATE, hop_s=1), talk, sizes) == at_once
    assert len(at_once) == 1 + (25 - 3)


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
def test_each_window_has_the_probabilities_of_the_classifier(
    classifier: Classifier, talk: NDArray[np.float32], rate: int
) -> None:
    signal = resample(talk, RATE, rate)
    stream = Stream(classifier, rate, hop_s=0.7)
    segments = streamed(stream, signal, [7777] * 20)
    samples = resample(signal, rate, 22050)
    for segment in segments:
        stop = round(segment.end_s * 22050)
        expected = classifier.predict(samples[stop - 66150 : stop], 22050)
        found = list(segment.probabilities.values())
        np.testing.assert_allclose(found, list(expected.probabilities.values()), atol=1e-5)


def test_segments_lie_end_to_end_without_drift(
    classifier: Classifier, talk: NDArray[np.float32]
) -> None:
    stream = Stream(classifier, 44100, hop_s=0.3)
    segments = streamed(stream, resample(talk, RATE, 44100), [])
    assert segments[0].start_s == 0
    assert segments[0].end_s == stream.window_s == 3
    for before, after in pairwise(segments):
        assert after.start_s == before.end_s
    hops = len(segments) - 1
    assert stream.hop_s == 13 * 512 / 22050
    assert segments[-1].end_s == pytest.approx(3 + hops * stream.hop_s, abs=1e-9)


def test_silence_begins_and_ends(classifier: Classifier, talk: NDArray[np.float32]) -> None:
    segments = streamed(Stream(classifier, RATE, config=StreamConfig(threshold=0)), talk, [])
    silent = [(s.start_s, s.end_s) for s in segments if s.state == "silence"]
    assert 12.5 < silent[0][1] < 13.7
    assert 16.5 < silent[-1][1] < 17.6
    assert all(s.state == "silence" for s in segments if 14 < s.end_s < 16.9)
    assert all(s.state == "speech" for s in segments if s.end_s < 12 or s.end_s > 18)


def test_below_the_threshold_it_is_uncertain(
    classifier: Classifier, talk: NDArray[np.float32]
) -> None:
    def states(threshold: float) -> set[str]:
        stream = Stream(classifier, RATE, config=StreamConfig(threshold=threshold))
        return {s.state for s in streamed(stream, talk[: 12 * RATE], [])}

    assert states(0.0) == {"speech"}
    assert states(1.0) == {"uncertain"}


def test_a_click_has_no_label(classifier: Classifier) -> None:
    click = 1e-3 * np.random.default_rng(0).standard_normal(8 * RATE)
    click[4 * RATE : 4 * RATE + RATE // 10] += 0.2 * np.sin(np.arange(RATE // 10) / 9)
    config = StreamConfig(threshold=0)
    segments = streamed(Stream(classifier, RATE, config=config), click, [])
    assert {s.state for s in segments} == {"silence", "uncertain"}


def test_a_stream_begins_anew(classifier: Classifier, talk: NDArray[np.float32]) -> None:
    stream = Stream(classifier, RATE)
    first = streamed(stream, talk, [])
    assert streamed(stream, talk, [1000]) == first
    stream.feed(talk[:50000])
    stream.reset()
    assert streamed(stream, talk, []) == first


def test_threads_may_share_it(classifier: Classifier, talk: NDArray[np.float32]) -> None:
    stream = Stream(classifier, RATE)
    found: list[Segment] = []

    def feed() -> None:
        for _ in range(20):
            found.extend(stream.feed(talk[:4000]))

    threads = [threading.Thread(target=feed) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found += stream.flush()
    assert sorted(s.end_s for s in found) == [s.end_s for s in sorted(found, key=_end)]
    assert len({s.end_s for s in found}) == len(found) == 1 + int((20 - 3) / stream.hop_s)


def _end(segment: Segment) -> float:
    return segment.end_s


def test_a_speaker_is_learned(classifier: Classifier, talk: NDArray[np.float32]) -> None:
    stream = Stream(classifier, RATE, adapt=True)
    assert stream.profile is None
    streamed(stream, talk, [])
    learned = stream.profile
    assert learned is not None
    assert learned.seconds in (12, 15, 18, 21)
    assert sum(learned.offset.values()) == pytest.approx(0, abs=1e-9)
    # What is learned is kept for the next signal, used by other streams, and forgotten when asked.
    own = Stream(classifier.with_profile(learned), RATE)
    assert own.profile == learned
    assert streamed(own, talk, [])[0].probabilities == pytest.approx(
        stream.feed(talk)[0].probabilities, abs=1e-9
    )
    stream.reset()
    assert stream.profile is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("hop_s", 0), ("hop_s", -1), ("hop_s", 3.1), ("hop_s", "x"), ("hop_s", None)),
        *(("sample_rate", rate) for rate in (4000, None, "16000", math.nan, np.float64("inf"))),
        *(("config", value) for value in ({}, 0.5, {"threshold": 0.5})),
    ],
)
def test_arguments_out_of_range(classifier: Classifier, name: str, value: Any) -> None:
    with raises(ConfigError, f"{name}={value!r}"):
        Stream(classifier, **{"sample_rate": RATE, name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("block_length", 0), ("block_length", 2.5), ("n_history", 0)),
        *(("margin_db", -1), ("min_level_db", 1), ("min_level_db", float("nan"))),
    ],
)
def test_settings_of_the_voice_activity_detector(name: str, value: Any) -> None:
    with raises(ConfigError, f"{name}={value!r}"):
        VoiceActivityDetector(**{"block_length": 100, name: value})


def test_a_folder_is_not_a_classifier(bundle_dir: Path) -> None:
    folder: Any = bundle_dir
    with raises(ConfigError, "classifier=", "Classifier"):
        Stream(folder, RATE)


@pytest.mark.parametrize(
    ("name", "value"),
    [("threshold", 1.1), ("threshold", True), ("smoothing_s", -1), ("silence_s", float("nan"))],
)
def test_settings_out_of_range(name: str, value: Any) -> None:
    with raises(ConfigError, f"{name}={value!r}"):
        StreamConfig(**{name: value})


def test_defaults_are_those_of_the_command_line() -> None:
    assert StreamConfig().threshold == THRESHOLD
    for function in (Stream.__init__, analyze):
        assert (function.__kwdefaults__ or {})["hop_s"] == HOP_S


def smoothed(config: StreamConfig, *rows: list[float] | None) -> list[tuple[int, float, str]]:
    """Process rows of probabilities 0.5 s apart; None is silence."""
    smooth = LabelSmoother(config, hop_s=0.5)
    return [smooth(np.array(row or [0.5, 0.5]), silent=row is None) for row in rows]


def test_probabilities_are_smoothed() -> None:
    config = StreamConfig(smoothing_s=1, threshold=0)
    first, second, third = smoothed(config, [1, 0], [0, 1], [0, 1])
    assert first == (0, 1, "speech")
    assert (second[0], third[0]) == (0, 1)
    assert second[1] == pytest.approx(np.exp(-0.5))
    unsmoothed = smoothed(StreamConfig(smoothing_s=0, threshold=0), [1, 0], [0, 1])
    assert [label for label, *_ in unsmoothed] == [0, 1]


def test_the_threshold_is_of_the_smoothed_probability() -> None:
    config = StreamConfig(smoothing_s=1, threshold=0.62)
    found = smoothed(config, [1, 0], [0, 1], [0, 1])  # 1.00 of label 0, then 0.61; 0.63 of label 1
    assert [(label, state) for label, _, state in found] == [
        *((0, "speech"), (0, "uncertain"), (1, "speech")),
    ]


def test_silence_restarts_the_smoothing() -> None:
    config = StreamConfig(smoothing_s=60, threshold=0.65)
    assert smoothed(config, [1, 0], [1, 0], None, [0.1, 0.9])[2:] == [
        (0, 0.5, "silence"),
        (1, 0.9, "speech"),
    ]


BAD_CHUNKS: dict[str, Any] = {  # and the value that the message has to name
    "1e+19": np.array([0.1, 1e19]),
    "peak of 120": np.array([-120.0]),
    "3.277e+04": np.array([32767.0] * 100),
    "inf": np.array([1e39]),
    "nan": np.array([0.0, np.nan]),
    "(5, 2)": np.zeros((5, 2), np.float32),
    "ragged": [[0.1], [0.1, 0.2]],
    "<U1": ["a"],
    "shape ()": None,
}


@pytest.mark.parametrize("value", BAD_CHUNKS)
def test_samples_that_cannot_be(classifier: Classifier, value: str) -> None:
    stream = Stream(classifier, RATE)
    assert stream.feed([]) == []
    with raises(AudioError, value, source="the array"):
        stream.feed(BAD_CHUNKS[value])


@given(
    chunks=st.lists(
        st.one_of(st.integers(0, 2 * RATE), st.sampled_from(sorted(BAD_CHUNKS))), max_size=20
    )
)
@settings(max_examples=25)
def test_bad_chunks_leave_no_trace(
    classifier: Classifier,
    talk: NDArray[np.float32],
    at_once: list[Segment],
    chunks: list[int | str],
) -> None:
    stream = Stream(classifier, RATE, hop_s=1)
    found: list[Segment] = []
    n_fed = 0
    for chunk in chunks:
        if isinstance(chunk, str):
            with raises(AudioError, chunk):
                stream.feed(BAD_CHUNKS[chunk])
        else:
            found += stream.feed(talk[n_fed : n_fed + chunk])
            n_fed += chunk
    found += stream.feed(talk[n_fed:])
    assert found + stream.flush() == at_once


class Failing:
    """A backend that fails at one of its calls."""

    version = "none"

    def __init__(self, backend: Any, at: int) -> None:
        self._backend, self._left = backend, at

    def run(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        self._left -= 1
        if self._left < 0 or self._left > 0:
            return np.asarray(self._backend.run(inputs))
        raise BackendError("is broken")


@given(at=st.integers(1, 12), size=st.integers(1000, 9 * RATE))
@settings(max_examples=15)
def test_after_an_error_of_the_network_it_begins_anew(
    classifier: Classifier,
    talk: NDArray[np.float32],
    at_once: list[Segment],
    at: int,
    size: int,
) -> None:
    bundle, model = classifier.bundle, classifier.model
    broken = Classifier(bundle, model, "numeric", cast(Any, Failing(classifier.backend, at)))
    stream = Stream(broken, RATE, hop_s=1)
    with raises(BackendError, "is broken"):
        streamed(stream, talk, [size] * 40)
    assert streamed(stream, talk, [size] * 40) == at_once


def test_it_can_catch_up(classifier: Classifier, talk: NDArray[np.float32]) -> None:
    every = streamed(Stream(classifier, RATE), talk, [])
    stream = Stream(classifier, RATE)
    first = stream.feed(talk[: 4 * RATE])
    [last] = stream.feed(talk[4 * RATE :], latest=True)
    assert first == every[: len(first)]
    assert last.start_s == first[-1].end_s
    assert last.end_s == pytest.approx(every[-1].end_s, abs=0.6)
    same = next(s for s in every if s.end_s == last.end_s)
    assert list(last.probabilities.values()) == pytest.approx(
        list(same.probabilities.values()), abs=1e-5
    )
    assert stream.skipped == every.index(same) - len(first)


def test_there_is_a_label_only_in_state_speech(
    classifier: Classifier, talk: NDArray[np.float32]
) -> None:
    segments = streamed(Stream(classifier, RATE), talk, [])
    assert {s.state for s in segments} == {"speech", "uncertain", "silence"}
    for segment in segments:
        best = max(segment.probabilities, key=segment.probabilities.__getitem__)
        assert segment.label in ((None,) if segment.state != "speech" else classifier.labels)
        assert best in classifier.labels
