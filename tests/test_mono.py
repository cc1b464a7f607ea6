"""Channels that are mixed down: their mean, or one of them if they cancel each other."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from recordings import RATE, written

from ser_edge.audio import blocks, read
from ser_edge.audio.mono import to_mono


@pytest.fixture
def voice(rng: np.random.Generator) -> NDArray[np.float32]:
    return rng.uniform(-0.5, 0.5, 9 * RATE).astype(np.float32)


@pytest.mark.parametrize("gains", [(1, -1), (-1, 1), (1, -0.97), (0, 1, -1), (1, -1, 1, -1)])
@pytest.mark.parametrize("offset", [0.0, 0.1])
def test_one_of_the_channels_that_cancel(
    voice: NDArray[np.float32], gains: tuple[float, ...], offset: float
) -> None:
    frames = np.stack([gain * voice + np.float32(offset) for gain in gains], axis=1)
    mono = to_mono(frames.astype(np.float32))
    assert any(np.array_equal(mono, channel) for channel in frames.T)
    assert mono.std() == pytest.approx(voice.std(), rel=0.05)


@pytest.mark.parametrize("gains", [(1, -0.8), (1, 0), (1, 1), (0, 0), (0.1, 0, 0, 0, 0, 0, 0, 0)])
def test_the_mean_of_others(voice: NDArray[np.float32], gains: tuple[float, ...]) -> None:
    frames = np.stack([gain * voice for gain in gains], axis=1).astype(np.float32)
    np.testing.assert_array_equal(to_mono(frames), frames.T.mean(axis=0))


def test_an_offset_is_no_sound_that_cancels(voice: NDArray[np.float32]) -> None:
    frames = np.stack([0.01 * voice + 0.9, 0.02 * voice + 0.9], axis=1).astype(np.float32)
    np.testing.assert_array_equal(to_mono(frames), frames.T.mean(axis=0))


@pytest.mark.parametrize("channels", [2, 3, 8, 1000])
def test_channels_of_noise_do_not_cancel(rng: np.random.Generator, channels: int) -> None:
    frames = rng.standard_normal((500, channels)).astype(np.float32)
    np.testing.assert_array_equal(to_mono(frames), frames.T.mean(axis=0))


@pytest.mark.parametrize("container", ["WAV", "FLAC"])
def test_a_recording_with_reversed_polarity_is_not_silent(
    voice: NDArray[np.float32], container: str
) -> None:
    data = written(np.stack([voice, -voice], axis=1), container=container)
    alone = written(voice, container=container)
    np.testing.assert_array_equal(read(data)[0], read(alone)[0])
    np.testing.assert_array_equal(np.concatenate(list(blocks(data, RATE))), read(alone)[0])


def test_no_frames() -> None:
    assert to_mono(np.zeros((0, 2), np.float32)).shape == (0,)
