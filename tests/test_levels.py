"""How much of a recording is speech, and what is predicted where there is none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from raising import raises

from ser_edge import AudioError, Classifier
from ser_edge.cli.command_line import main
from ser_edge.levels import MIN_SPEECH_S, FrameLevels

RATE = 22050


def noise(seconds: float, colour: float = 0.0) -> NDArray[np.float32]:
    """Noise at -26 dB of full scale whose power falls with the frequency to the power `colour`."""
    rng = np.random.default_rng(0)
    n = round(seconds * RATE)
    if not colour:
        return np.asarray(0.05 * rng.standard_normal(n), np.float32)
    spectrum = np.fft.rfft(rng.standard_normal(n))
    shaped = np.fft.irfft(spectrum / np.maximum(np.arange(len(spectrum)), 20) ** (colour / 2), n)
    return np.asarray(0.05 * shaped / shaped.std(), np.float32)


def words(seconds: float, pause_s: float = 0.5) -> NDArray[np.float32]:
    """Something like one word, with a quiet pause before and after it."""
    time = np.arange(round(seconds * RATE)) / RATE
    tone = sum(np.sin(2 * np.pi * 140 * k * time) / k for k in range(1, 10))
    quiet = 1e-3 * np.random.default_rng(0).standard_normal(round(pause_s * RATE))
    return np.asarray(np.concatenate([quiet, 0.2 * tone, quiet]), np.float32)


def state(samples: NDArray[np.float32]) -> str:
    levels = FrameLevels(RATE)
    levels.feed(samples)
    return levels.state


SIGNALS = {
    "1 sample": (np.full(1, 0.5, np.float32), "uncertain"),
    "6 ms of noise": (noise(0.006), "uncertain"),
    "0.1 s of a word": (words(0.1, pause_s=0), "uncertain"),
    "a click": (words(0.05), "uncertain"),
    "a long click": (words(MIN_SPEECH_S - 0.05), "uncertain"),
    "a short word": (words(MIN_SPEECH_S + 0.05), "speech"),
    "a quiet word": (np.asarray(2e-3 * words(0.5), np.float32), "speech"),
    "a word with an offset": (words(0.5) + np.float32(0.3), "speech"),
    "a word in noise": (words(0.5) + noise(1.5), "speech"),
    "white noise": (noise(4), "silence"),
    "pink noise": (noise(4, 1), "silence"),
    "a minute of noise": (noise(60), "silence"),
    "noise between digital silence": (np.pad(noise(3), (RATE // 3, RATE // 7)), "silence"),
    "a tone": (np.sin(np.arange(3 * RATE, dtype=np.float32)), "silence"),
    "an offset": (np.full(3 * RATE, 0.3, np.float32), "silence"),
    "digital silence": (np.zeros(3 * RATE, np.float32), "silence"),
}


@pytest.mark.parametrize("name", SIGNALS)
def test_states(name: str) -> None:
    samples, expected = SIGNALS[name]
    assert state(samples) == expected


@given(sizes=st.lists(st.integers(0, 20000), max_size=20))
def test_pieces_of_any_length_give_the_same(sizes: list[int]) -> None:
    samples = np.concatenate([words(0.4), noise(0.7)])
    whole, cut = FrameLevels(RATE), FrameLevels(RATE)
    whole.feed(samples)
    for piece in np.split(samples, np.cumsum(sizes)):
        cut.feed(piece)
    assert (cut.n_samples, cut.peak) == (whole.n_samples, whole.peak)
    np.testing.assert_array_equal(cut.energies(), whole.energies())
    np.testing.assert_array_equal(cut.speech(), whole.speech())


@pytest.mark.parametrize("name", SIGNALS)
def test_only_speech_has_a_label(
    bundle_dir: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    samples, expected = SIGNALS[name]
    classifier = Classifier.load(bundle_dir, backend="numeric")
    if name == "digital silence":
        with raises(AudioError, "is silent"):
            classifier.predict(samples, RATE)
        return
    path = tmp_path / "clip.wav"
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    found = classifier.predict(path)
    assert found.state == expected
    labels = [found.label, *(window.label for window in found.windows)]
    assert all(labels) if expected == "speech" else not any(labels)
    assert sum(found.probabilities.values()) == pytest.approx(1)

    words = ["predict", str(path), "--bundle", str(bundle_dir), "--backend", "numeric"]
    assert main([*words, "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["label"] == found.label
    assert main(words) == 0
    shown = capfd.readouterr().out.split()[1:]
    assert shown == [expected] if expected != "speech" else shown[0] == found.label
