"""The constant matrices of MFCC against librosa's and SciPy's."""

import numpy as np
import pytest
import scipy.fft
from librosa.filters import mel
from librosa_features import no_complaints

from ser_edge.features.mel import band_groups, dct_matrix, mel_bands


@pytest.mark.parametrize(
    ("rate", "n_fft", "n_mels", "fmin", "fmax"),
    [
        (22050, 2048, 128, 0.0, 11025.0),
        (16000, 400, 40, 20.0, 7600.0),
        (8000, 511, 13, 300.0, 3400.5),
        (192000, 64, 512, 0.0, 96000.0),
        # Its highest bin is the highest band's edge, which one bit less would leave outside.
        (48000, 2, 13, 23998.0, 24000.0),
    ],
)
def test_bands_are_librosas(rate: int, n_fft: int, n_mels: int, fmin: float, fmax: float) -> None:
    weights = mel_bands(rate, n_fft, n_mels=n_mels, fmin=fmin, fmax=fmax)
    with no_complaints():
        expected = mel(sr=rate, n_fft=n_fft, n_mels=n_mels, fmin=fmin, fmax=fmax)
    np.testing.assert_array_equal(weights > 0, expected > 0)
    np.testing.assert_allclose(weights, expected, rtol=3e-7, atol=0)  # float32's two roundings


@pytest.mark.parametrize("n_mels", [1, 13, 40, 128])
def test_groups_of_bands_are_the_bands(rng: np.random.Generator, n_mels: int) -> None:
    weights = mel_bands(16000, 512, n_mels=n_mels, fmin=0.0, fmax=8000.0)
    power = rng.uniform(0, 1, (3, 257)).astype(np.float32)
    found = np.full((3, n_mels), np.nan)
    for bands, bins, matrix in band_groups(weights):
        found[:, bands] = power[:, bins] @ matrix
    np.testing.assert_allclose(found, power @ weights.T, rtol=1e-5)


def test_the_dct_is_scipys(rng: np.random.Generator) -> None:
    rows = rng.uniform(-80, 0, (3, 40))
    expected = scipy.fft.dct(rows, type=2, norm="ortho")[:, :13]
    np.testing.assert_allclose(rows @ dct_matrix(13, 40), expected, rtol=1e-12, atol=1e-10)
