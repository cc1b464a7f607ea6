"""Windows lie inside the clip, near enough together, and cover what has to be covered."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from raising import raises

from ser_edge.errors import ConfigError
from ser_edge.window import WindowConfig, cut_window, window_starts

RATE = 8000


@st.composite
def layouts(draw: st.DrawFn) -> tuple[NDArray[np.float32], WindowConfig]:
    """A clip whose loud part lies anywhere, and any window that is no shorter than its hop."""
    duration_s = draw(st.floats(0.1, 1.5))
    config = WindowConfig(
        duration_s=duration_s,
        hop_s=draw(st.floats(0.05, duration_s)),
        placement=draw(st.sampled_from(["offset", "speech"])),
        offset_s=draw(st.just(0.0) | st.floats(0, 2, allow_subnormal=False)),
    )
    samples = np.full(draw(st.integers(1, 4 * RATE)), 1e-3, np.float32)
    first, last = sorted(draw(st.integers(0, len(samples) - 1)) for _ in range(2))
    samples[first : last + 1] = 0.5
    return samples, config


@given(layouts())
def test_windows_cover_what_they_have_to(layout: tuple[NDArray[np.float32], WindowConfig]) -> None:
    samples, config = layout
    starts = window_starts(samples, config, RATE)
    length = config.n_samples(RATE)
    if len(samples) <= length:
        assert starts.tolist() == [0]
        return
    assert starts[0] >= 0
    assert starts[-1] + length <= len(samples)
    steps = np.diff(starts)
    assert (steps > 0).all()
    assert (steps <= round(config.hop_s * RATE)).all()
    if config.placement == "offset":
        assert starts[0] == min(round(config.offset_s * RATE), len(samples) - length)
        assert starts[-1] + length == len(samples)
    else:
        loud = np.flatnonzero(samples == 0.5)
        covered = np.zeros(len(samples), bool)
        for start in starts:
            covered[start : start + length] = True
        if len(starts) > 1 or loud[-1] - loud[0] < length:
            assert covered[loud].all()
        # Nor more than the loud part asks for: 25 ms around it, or one window.
        if len(starts) > 1:
            assert starts[0] > loud[0] - 0.025 * RATE
            assert starts[-1] + length < loud[-1] + 1 + 0.025 * RATE


def test_one_window_lies_in_the_middle_of_the_speech() -> None:
    samples = np.zeros(40000, np.float32)
    samples[16000:20000] = 0.5
    config = WindowConfig(duration_s=1.0, hop_s=0.5)
    assert window_starts(samples, config, RATE).tolist() == [14000]
    samples[100] = 0.5
    assert window_starts(samples, config, RATE).tolist() == [0, 4000, 8000, 12000]


def test_speech_reaches_30_db_below_the_loudest_frame() -> None:
    config = WindowConfig(duration_s=0.5, hop_s=0.5)
    samples = np.zeros(80000, np.float32)
    samples[40000:42000] = 1.0
    samples[60000:62000] = 10 ** (-31 / 20)
    assert window_starts(samples, config, RATE).tolist() == [39000]
    samples[60000:62000] = 10 ** (-29 / 20)
    assert window_starts(samples, config, RATE)[[0, -1]].tolist() == [40000, 58000]


@pytest.mark.parametrize(
    ("n_samples", "expected"), [(25000, [4800]), (24800, [4800]), (24000, [4000]), (20000, [0])]
)
def test_the_offset_slides_back_in_short_clips(n_samples: int, expected: list[int]) -> None:
    config = WindowConfig(duration_s=2.5, hop_s=1.25, placement="offset", offset_s=0.6)
    starts = window_starts(np.ones(n_samples, np.float32), config, RATE)
    assert starts[:1].tolist() == expected


def test_a_silent_clip_is_covered_whole() -> None:
    starts = window_starts(np.zeros(3 * RATE, np.float32), WindowConfig(1.0, 1.0), RATE)
    assert starts.tolist() == [0, 8000, 16000]


@given(st.integers(1, 50), st.integers(1, 200), st.data())
def test_a_short_clip_is_repeated(n: int, length: int, data: st.DataObject) -> None:
    samples = np.arange(n, dtype=np.float32)
    start = data.draw(st.integers(0, max(0, n - length)))
    window = cut_window(samples, start, length)
    assert window.shape == (length,)
    np.testing.assert_array_equal(window, start + np.arange(length) % (n - start))


@pytest.mark.parametrize("name", ["duration_s", "hop_s", "offset_s"])
@pytest.mark.parametrize("value", [-1, 61, 1e9, 10**400, np.nan, np.inf, "2", None, True])
def test_illegal_times_are_named(name: str, value: Any) -> None:
    with raises(ConfigError, f"{name}={repr(value)[:9]}"):
        WindowConfig(**{name: value})


def test_other_illegal_settings() -> None:
    with raises(ConfigError, "placement='middle'"):
        WindowConfig(placement="middle")
    with raises(ConfigError, "duration_s=0.05", "0.1 to 60"):
        WindowConfig(duration_s=0.05)


@pytest.mark.parametrize("settings", [{"length": 1}, {"two\nlines": 1}, [], 3, "offset"])
def test_foreign_settings(settings: Any) -> None:
    with raises(ConfigError, repr(settings)):
        WindowConfig.from_dict(settings)
