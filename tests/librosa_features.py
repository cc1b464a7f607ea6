"""Features computed by librosa, and signals for comparison."""

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import librosa
import numpy as np
from numpy.typing import NDArray

from ser_edge.features import FeatureConfig


@contextlib.contextmanager
def no_complaints() -> Iterator[None]:
    """Ignore librosa warnings about short signals and empty mel bands."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "n_fft=|Empty filters", UserWarning)
        yield


def librosas(y: NDArray[Any], config: FeatureConfig) -> dict[str, NDArray[Any]]:
    """Return the descriptors of ``config``, each [shape=(n_frames, n_columns)]."""
    framing: dict[str, Any] = {"hop_length": config.hop_length, "center": config.center}
    spectra = {"y": y, "n_fft": config.n_fft, **framing}
    mel = {"n_mels": config.n_mels, "fmin": config.fmin, "fmax": config.fmax, **spectra}
    rate, n_mfcc = config.sample_rate, config.n_mfcc
    feature = librosa.feature
    descriptors = {
        "zcr": lambda: feature.zero_crossing_rate(y, frame_length=config.n_fft, **framing),
        "rms": lambda: feature.rms(y=y, frame_length=config.n_fft, **framing),
        "centroid": lambda: feature.spectral_centroid(sr=rate, **spectra),
        "rolloff": lambda: feature.spectral_rolloff(sr=rate, **spectra),
        "flatness": lambda: feature.spectral_flatness(**spectra),
        "log_mel": lambda: librosa.power_to_db(feature.melspectrogram(sr=rate, **mel)),
        "mfcc": lambda: feature.mfcc(sr=rate, n_mfcc=n_mfcc, **mel),
        "delta": lambda: feature.delta(feature.mfcc(sr=rate, n_mfcc=n_mfcc, **mel)),
    }
    with no_complaints():
        return {name: descriptors[name]().T for name in config.descriptors}


def assert_librosas(
    features: NDArray[np.float32], y: NDArray[Any], config: FeatureConfig, **atol: float
) -> None:
    """Compare the descriptors for which a tolerance is given, by default the published three."""
    assert features.dtype == np.float32
    expected = librosas(y, config)
    for name, tolerance in (atol or {"zcr": 1e-6, "rms": 1e-6, "mfcc": 1e-3}).items():
        found = features[:, config.columns_of[name]]
        np.testing.assert_allclose(found, expected[name], rtol=0, atol=tolerance, err_msg=name)


def random_signal(rng: np.random.Generator, most: int = 60000) -> NDArray[np.float32]:
    """Any length, level and spectrum; impulses, silent stretches, clipping, 16-bit steps."""
    n = int(rng.integers(1, most if rng.random() < 0.8 else min(most, 3000)))
    noise = rng.standard_normal(n)
    kind = rng.integers(8)
    if kind == 0:
        y = noise
    elif kind == 1:
        spectrum = np.fft.rfft(noise)
        y = np.fft.irfft(spectrum * (np.arange(len(spectrum)) + 1.0) ** -rng.uniform(0, 3), n)
    elif kind == 2:
        y = np.sin(rng.uniform(0, np.pi) * np.arange(n))
    elif kind == 3:
        y = np.where(rng.random(n) < 1e-3, noise, 0)
    elif kind == 4:
        y = noise.copy()
        y[slice(*sorted(rng.integers(0, n + 1, 2)))] = 0
    elif kind == 5:
        y = np.clip(3 * noise, -1, 1)
    elif kind == 6:
        y = np.round(100 * noise) / 32768
    else:
        t = np.arange(n) / 22050
        y = np.sin(2 * np.pi * (50 * t + rng.uniform(0, 2000) * t * t))
    level = 10 ** rng.uniform(-4, 0) / max(np.abs(y).max(), 1e-9)
    return np.asarray(y * (1 if kind == 6 else level), np.float32)


CORNERS = {
    "silence": np.zeros(5000),
    "impulse": np.eye(1, 5000, 2500)[0],
    "impulse at the start": np.eye(1, 5000)[0],
    "negative impulse at the end": -np.eye(1, 5000, 4999)[0],
    "DC": np.full(5000, 0.5),
    "negative DC": np.full(5000, -0.5),
    "square": np.where(np.arange(5000) // 50 % 2, 1.0, -1.0),
    "alternating": np.where(np.arange(5000) % 2, 1.0, -1.0),
    "one sample": np.array([0.7]),
    "one negative sample": np.array([-0.7]),
    "half a frame": np.sin(np.arange(1024)),
    "a frame less one": np.sin(np.arange(2047)),
    "around the threshold of a crossing": np.array([1, -1] * 1000) * 1e-10,
    "just above the threshold": np.array([1, -1] * 1000) * 1.1e-10,
    "denormal": np.array([1, -1] * 1000) * 1e-40,
}
