"""Interpolation of oversampled signals, against the signals themselves."""

from __future__ import annotations

import numpy as np
import pytest

from ser_edge.resampling.interpolation import WIDTH, Interpolation, kernel_gain


@pytest.mark.parametrize(("step", "parts"), [(8138, 3675), (5, 4), (1, 3), (3, 1), (39, 10)])
@pytest.mark.parametrize("frequency", [0.0, 0.01, 0.1, 0.2, 0.25])
def test_sines_are_found_in_between(step: int, parts: int, frequency: float) -> None:
    t = np.arange(3000)
    sine = np.cos(2 * np.pi * frequency * t + 0.3).astype(np.float32)
    y = Interpolation(step, parts, start=3)(sine) / kernel_gain(np.array(frequency))
    at = 3 + np.arange(y.size) * step / parts
    assert at[-1] // 1 + WIDTH // 2 <= t[-1] < (at[-1] + step / parts) // 1 + WIDTH // 2
    # Images are below 1e-6 up to 0.2, and 4e-6 at 0.25, where a signal has to end.
    error = np.abs(y - np.cos(2 * np.pi * frequency * at + 0.3)).max()
    assert error < (2e-6 if frequency <= 0.2 else 8e-6)


@pytest.mark.parametrize("size", [1, 7, 100])
def test_pieces_give_the_same_bits(rng: np.random.Generator, size: int) -> None:
    z = rng.uniform(-1, 1, 1000).astype(np.float32)
    interpolate = Interpolation(8138, 3675, start=5)
    pieces = [interpolate(z[i : i + size]) for i in range(0, z.size, size)]
    np.testing.assert_array_equal(np.concatenate(pieces), Interpolation(8138, 3675, start=5)(z))


def test_gain_is_the_kernels_transform() -> None:
    # Sampled finely, the kernel is what an impulse leaves.
    impulse = np.zeros(2 * WIDTH, np.float32)
    impulse[WIDTH] = 1
    parts = 64
    y = Interpolation(1, parts, start=3)(impulse)
    t = 3 + np.arange(y.size) / parts - WIDTH
    for frequency in (0.0, 0.1, 0.25, 0.5):
        transform = np.sum(y * np.cos(2 * np.pi * frequency * t)) / parts
        assert transform == pytest.approx(float(kernel_gain(np.array(frequency))), abs=1e-5)
