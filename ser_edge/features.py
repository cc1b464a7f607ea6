"""Frame-wise descriptors of speech, equal to librosa 0.11's and several times faster.

==============  ==========================================================================
descriptor      librosa 0.11
==============  ==========================================================================
``zcr``         ``feature.zero_crossing_rate(y, frame_length=n_fft)``, edge padding
``rms``         ``feature.rms(y=y, frame_length=n_fft)``, zero padding
``log_rms``     ``log10(rms + 1e-5)``, the level on a scale that a network can use
``mfcc``        ``feature.mfcc(y=y)``: periodic Hann window, power spectrum, Slaney mel bands,
                ``power_to_db(top_db=80)`` over the whole signal, orthonormal DCT-II
==============  ==========================================================================

Three things make it fast. The Fourier transform gets float64, for which NumPy's is 4 to 6 times
faster than for float32. Its input lives in a buffer that each thread allocates once, a few frames
long, so that it stays in the cache. And each mel band is multiplied with its own bins only.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ser_edge.audio import as_signal
from ser_edge.errors import AudioError, ConfigError
from ser_edge.mel import band_groups, dct_matrix, mel_bands
from ser_edge.resample import MAX_RATE, MIN_RATE

DESCRIPTORS = ("zcr", "rms", "log_rms", "mfcc")

_FRAMES_AT_ONCE = 32  # 32 frames of 2048 float64 and their spectra: 1 MiB, inside one core's cache
_AMIN = 1e-10
_TOP_DB = 80.0
_CROSSING = float(np.float32(1e-10))  # librosa compares in float32
# Far beyond speech, and low enough that settings read from a file cannot exhaust the memory.
_MOST_SAMPLES = 16384
_MOST_MELS = 512


@dataclass(frozen=True)
class FeatureConfig:
    """What is computed from each frame, under librosa's names and defaults.

    Parameters
    ----------
    sample_rate : int in [8000, 192000]
        Samples a second of the signals to come [Hz].
    n_fft : int in [2, 16384]
        Frame length, in samples.
    hop_length : int in [1, 16384]
        Samples from one frame to the next.
    n_mfcc : int in [1, n_mels]
        Mel-frequency cepstral coefficients kept.
    n_mels : int in [1, 512]
        Mel bands.
    fmin, fmax : float
        Lowest and highest frequency of the mel bands, 1 Hz or more apart [Hz]; ``fmax=None`` is
        half the sample rate.
    center : bool
        Whether frame ``t`` is centred on sample ``t * hop_length`` (the signal is padded), or
        starts there.
    descriptors : tuple of str
        Which of `DESCRIPTORS` are computed, in the order of the columns.

    Raises
    ------
    ConfigError
        For a value outside these ranges.

    Examples
    --------
    >>> FeatureConfig().columns[:4]
    ('zcr', 'rms', 'mfcc0', 'mfcc1')
    """

    sample_rate: int = 22050
    n_fft: int = 2048
    hop_length: int = 512
    n_mfcc: int = 20
    n_mels: int = 128
    fmin: float = 0.0
    fmax: float | None = None
    center: bool = True
    descriptors: tuple[str, ...] = ("zcr", "rms", "mfcc")

    def __post_init__(self) -> None:
        _check("sample_rate", self.sample_rate, MIN_RATE, MAX_RATE)
        _check("n_fft", self.n_fft, 2, _MOST_SAMPLES)
        _check("hop_length", self.hop_length, 1, _MOST_SAMPLES)
        _check("n_mels", self.n_mels, 1, _MOST_MELS)
        _check("n_mfcc", self.n_mfcc, 1, self.n_mels)
        top = self.sample_rate / 2 if self.fmax is None else self.fmax
        numbers = isinstance(self.fmin, int | float) and isinstance(top, int | float)
        if not (numbers and 0 <= self.fmin <= top - 1 and top <= self.sample_rate / 2):
            raise ConfigError(
                f"the mel bands go from fmin={self.fmin!r} to fmax={top!r} Hz; expected "
                f"0 <= fmin <= fmax - 1 and fmax <= {self.sample_rate / 2}, half the sample rate"
            )
        if not isinstance(self.center, bool):
            raise ConfigError(f"center={self.center!r}; expected True or False")
        unknown = [name for name in self.descriptors if name not in DESCRIPTORS]
        if unknown or not self.descriptors or len(set(self.descriptors)) < len(self.descriptors):
            raise ConfigError(
                f"descriptors={self.descriptors}; expected one or more of {DESCRIPTORS}, each once"
            )

    @property
    def columns(self) -> tuple[str, ...]:
        """Name of each column of the features, such as ``mfcc3``."""
        return tuple(
            column
            for name in self.descriptors
            for column in ([f"mfcc{i}" for i in range(self.n_mfcc)] if name == "mfcc" else [name])
        )

    def n_frames(self, n_samples: int) -> int:
        """Frames that a signal of ``n_samples`` gives; 0 where it is too short for one."""
        padded = n_samples + 2 * self._padding
        return max(0, 1 + (padded - self.n_fft) // self.hop_length)

    @property
    def _padding(self) -> int:
        return self.n_fft // 2 if self.center else 0

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> FeatureConfig:
        """Make the settings from `to_dict`'s result, read back from JSON.

        Raises
        ------
        ConfigError
            For an unknown name, or a value that is out of range or of another type.
        """
        try:
            unknown = sorted(set(settings) - {field.name for field in fields(cls)})
            if unknown:
                raise ConfigError(f"unknown feature setting {unknown[0]!r}")
            descriptors = tuple(settings.get("descriptors", cls.descriptors))
            return cls(**{**settings, "descriptors": descriptors})
        except (AttributeError, TypeError) as error:
            raise ConfigError(f"a feature setting has the wrong type: {error}") from None


def _check(name: str, value: object, least: int, most: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ConfigError(f"{name}={value!r}; expected a whole number from {least} to {most}")


class FeatureExtractor:
    """Compute the descriptors of a `FeatureConfig`; make it once, call it often.

    It keeps the window, the mel bands and the DCT, and work buffers for each thread, so that it
    can be shared between threads.

    Parameters
    ----------
    config : FeatureConfig
        What to compute.

    Examples
    --------
    >>> import numpy as np
    >>> extract = FeatureExtractor(FeatureConfig())
    >>> extract(np.sin(np.arange(55125, dtype=np.float32))).shape
    (108, 22)
    >>> extract.flat(np.sin(np.arange(55125, dtype=np.float32))).shape
    (2376,)
    """

    def __init__(self, config: FeatureConfig | None = None) -> None:
        self.config = config = config or FeatureConfig()
        self._block = math.gcd(config.n_fft, config.hop_length)
        self._window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(config.n_fft) / config.n_fft)
        weights = mel_bands(
            config.sample_rate,
            config.n_fft,
            n_mels=config.n_mels,
            fmin=config.fmin,
            fmax=config.sample_rate / 2 if config.fmax is None else config.fmax,
        )
        self._bands = list(band_groups(weights))
        self._dct = dct_matrix(config.n_mfcc, config.n_mels)
        self._local = threading.local()

    def __reduce__(self) -> tuple[type[FeatureExtractor], tuple[FeatureConfig]]:
        return FeatureExtractor, (self.config,)

    def __repr__(self) -> str:
        return f"FeatureExtractor({self.config})"

    def __call__(self, samples: ArrayLike) -> NDArray[np.float32]:
        """Compute the features of a mono signal.

        Parameters
        ----------
        samples : np.ndarray [shape=(n,)]
            The signal, at ``config.sample_rate``; full scale is 1 for floats, the type's range
            for integers.

        Returns
        -------
        features : np.ndarray [shape=(n_frames, n_columns), dtype=float32]
            One row a frame, columns as in ``config.columns``.

        Raises
        ------
        AudioError
            If the signal is empty, not one-dimensional, not finite, or, without centring,
            shorter than a frame.
        """
        signal = as_signal(samples)
        config = self.config
        n_frames = config.n_frames(len(signal))
        if n_frames == 0:
            raise AudioError(
                f"the signal has {len(signal)} samples; expected at least n_fft={config.n_fft}, "
                "or center=True"
            )
        padded = np.zeros(len(signal) + 2 * config._padding)
        padded[config._padding :][: len(signal)] = signal
        features = np.empty((n_frames, len(config.columns)), dtype=np.float32)
        column = 0
        for name in config.descriptors:
            values = getattr(self, f"_{name}")(padded, n_frames)
            width = 1 if values.ndim == 1 else values.shape[1]
            features[:, column : column + width] = values.reshape(n_frames, width)
            column += width
        return features

    def flat(self, samples: ArrayLike) -> NDArray[np.float32]:
        """Compute the features as one vector: each descriptor whole, MFCC frame by frame.

        The published order, ``hstack((zcr, rms, ravel(mfcc.T)))``: 108 + 108 + 108 * 20 = 2376
        numbers for 2.5 s.

        Parameters
        ----------
        samples : np.ndarray [shape=(n,)]
            As for a call.

        Returns
        -------
        vector : np.ndarray [shape=(n_frames * n_columns,), dtype=float32]

        Raises
        ------
        AudioError
            As for a call.
        """
        return flatten(self(samples), self.config)

    def _zcr(self, padded: NDArray[np.float64], n_frames: int) -> NDArray[np.float64]:
        # librosa pads with the edge value: no crossing lies in the padding, nor at its border,
        # and the border towards zero padding is a crossing only after a negative sample.
        pad, n_fft = self.config._padding, self.config.n_fft
        negative = padded < -_CROSSING
        crossings = np.zeros(len(padded))
        inner = slice(pad + 1, len(padded) - pad)
        np.not_equal(negative[pad : len(padded) - pad - 1], negative[inner], out=crossings[inner])
        first = crossings[: (n_frames - 1) * self.config.hop_length + 1 : self.config.hop_length]
        return np.asarray((self._frame_sums(crossings, n_frames) - first) / n_fft)

    def _rms(self, padded: NDArray[np.float64], n_frames: int) -> NDArray[np.float64]:
        energy = self._frame_sums(padded * padded, n_frames)
        return np.asarray(np.sqrt(np.maximum(energy, 0) / self.config.n_fft))

    def _log_rms(self, padded: NDArray[np.float64], n_frames: int) -> NDArray[np.float64]:
        return np.asarray(np.log10(self._rms(padded, n_frames) + 1e-5))

    def _frame_sums(self, values: NDArray[np.float64], n_frames: int) -> NDArray[np.float64]:
        """Sum each frame from the sums of blocks that tile both the frame and the hop."""
        block, hop, n_fft = self._block, self.config.hop_length, self.config.n_fft
        used = (n_frames - 1) * hop + n_fft
        sums = np.zeros(used // block + 1)
        np.cumsum(values[:used].reshape(-1, block).sum(axis=1), out=sums[1:])
        starts = np.arange(n_frames) * (hop // block)
        return np.asarray(sums[starts + n_fft // block] - sums[starts])

    def _mfcc(self, padded: NDArray[np.float64], n_frames: int) -> NDArray[np.float64]:
        mel = self._mel_power(padded, n_frames)
        np.maximum(mel, _AMIN, out=mel)
        np.log(mel, out=mel)
        mel *= 10 / math.log(10)
        np.maximum(mel, mel.max() - _TOP_DB, out=mel)
        # In float64, for coefficient 0 reaches -1131 (100 dB below full scale in each band).
        return np.asarray(mel @ self._dct)

    def _mel_power(self, padded: NDArray[np.float64], n_frames: int) -> NDArray[np.float32]:
        config = self.config
        frames = np.lib.stride_tricks.sliding_window_view(padded, config.n_fft)[
            :: config.hop_length
        ]
        mel = np.empty((n_frames, config.n_mels), dtype=np.float32)
        windowed, power = self._buffers()
        for start in range(0, n_frames, _FRAMES_AT_ONCE):
            rows = slice(start, min(start + _FRAMES_AT_ONCE, n_frames))
            n_rows = rows.stop - start
            np.multiply(frames[rows], self._window, out=windowed[:n_rows])
            spectrum = np.fft.rfft(windowed[:n_rows], axis=1)
            parts = spectrum.view(np.float64)
            np.multiply(parts, parts, out=parts)
            np.add(parts[:, ::2], parts[:, 1::2], out=power[:n_rows], casting="same_kind")
            for bands, bins, weights in self._bands:
                np.matmul(power[:n_rows, bins], weights, out=mel[rows, bands])
        return mel

    def _buffers(self) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        if not hasattr(self._local, "windowed"):
            n_fft = self.config.n_fft
            self._local.windowed = np.empty((_FRAMES_AT_ONCE, n_fft))
            self._local.power = np.empty((_FRAMES_AT_ONCE, n_fft // 2 + 1), dtype=np.float32)
        return self._local.windowed, self._local.power


def flatten(features: NDArray[np.float32], config: FeatureConfig) -> NDArray[np.float32]:
    """Reorder features into the published vector: each descriptor whole, MFCC frame by frame.

    Parameters
    ----------
    features : np.ndarray [shape=(..., n_frames, n_columns), dtype=float32]
        A `FeatureExtractor`'s result, or several stacked.
    config : FeatureConfig
        Its settings.

    Returns
    -------
    vectors : np.ndarray [shape=(..., n_frames * n_columns), dtype=float32]
    """
    column, parts = 0, []
    for name in config.descriptors:
        width = config.n_mfcc if name == "mfcc" else 1
        parts.append(features[..., column : column + width].reshape(*features.shape[:-2], -1))
        column += width
    return np.concatenate(parts, axis=-1)
