"""Augmentation of training clips: of a clip's samples, and of batches of features.

Pitch shift, time stretch and resampling are librosa's. librosa compiles parts of itself when first
imported, and processes that do so at the same time corrupt numba's cache (numba 0.68): the imports
below compile it once, before any process is started.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import librosa
import librosa.core.pitch
import numpy as np
from librosa.effects import pitch_shift, time_stretch
from numpy.typing import NDArray

from ser_edge.features import FeatureConfig
from ser_edge.features.mel import dct_matrix
from ser_edge_train.codecs import CODECS
from ser_edge_train.recipes import BatchAugmentation, WaveAugmentation
from ser_edge_train.room_simulation import RoomSimulation

Samples = NDArray[np.float32]
Rng = np.random.Generator

_ENVELOPE_N_FFT = 1024  # 46 ms at 22050 Hz: several periods of a voice; by convention
_ENVELOPE_S = 0.0016  # cepstrum kept for the envelope: below the period of the highest voice [s]
_ENVELOPE_FLOOR = 1e-6  # keeps the logarithm finite; far below the noise of recordings
_MAX_CHANGE = 5.0  # of a magnitude's natural logarithm: 43 dB, chosen generously
_EQUALISER_POINTS = 6  # few, for a smooth curve; by convention


def augment_wave(
    samples: Samples,
    sample_rate: int,
    settings: WaveAugmentation,
    number: int,
    rng: Rng,
    session: Rng,
) -> Samples:
    """Compute one augmentation of a clip.

    Parameters
    ----------
    samples : np.ndarray [shape=(n,), dtype=float32]
    sample_rate : int > 0
        [Hz]
    settings : WaveAugmentation
    number : int >= 0
        The augmentation; 0 is the clip itself.
    rng : np.random.Generator
        Random numbers of this clip.
    session : np.random.Generator
        Random numbers that all clips of a speaker share for this augmentation, for the room.

    Returns
    -------
    augmented : np.ndarray [shape=(m,), dtype=float32]
        Shorter or longer than the clip if the speed changed.
    """
    if number == 0:
        return samples
    return _KINDS[settings.kind](samples, sample_rate, number, rng, session)


def _published(samples: Samples, sample_rate: int, number: int, rng: Rng, _: Rng) -> Samples:
    """Noise and shift, or pitch and speed, with the constants of the published recipe."""
    if number % 2:
        return np.roll(_noisy(samples, rng), rng.integers(-5000, 5000))
    shifted = pitch_shift(samples, sr=sample_rate, n_steps=0.7)
    return np.asarray(time_stretch(shifted, rate=0.8), dtype=np.float32)


def _kaggle(samples: Samples, sample_rate: int, number: int, rng: Rng, _: Rng) -> Samples:
    """Noise (1), pitch (2), or both (3)."""
    shifted = pitch_shift(samples, sr=sample_rate, n_steps=0.7) if number in (2, 3) else samples
    return np.asarray(_noisy(shifted, rng) if number in (1, 3) else shifted, dtype=np.float32)


def _noisy(samples: Samples, rng: Rng) -> Samples:
    amplitude = 0.035 * rng.uniform() * samples.max()
    return np.asarray(samples + amplitude * rng.standard_normal(len(samples)), dtype=np.float32)


def _voices(samples: Samples, sample_rate: int, number: int, rng: Rng, session: Rng) -> Samples:
    """Pitch by up to 3.5 semitones, formants by up to 2.5, speed by up to 15 %; room or noise."""
    pitch, formants = (2 ** (rng.uniform(-limit, limit) / 12) for limit in (3.5, 2.5))
    shifted = _shift_voice(samples, sample_rate, pitch, rng.uniform(0.87, 1.15))
    augmented: NDArray[Any] = move_formants(shifted, sample_rate, formants / pitch)
    if number % 2:
        return RoomSimulation.draw(session)(augmented, sample_rate, rng)
    if number % 4:
        level = math.sqrt(np.mean(np.square(augmented, dtype=np.float64)))
        noise_level = level * 10 ** (-rng.uniform(10, 35) / 20)
        augmented = augmented + noise_level * rng.standard_normal(len(augmented))
    return np.asarray(augmented, dtype=np.float32)


def _coded(samples: Samples, sample_rate: int, number: int, rng: Rng, session: Rng) -> Samples:
    """Like `_voices`, with a codec in half of the rooms."""
    augmented = _voices(samples, sample_rate, number, rng, session)
    if number % 2 and session.random() < 0.5:
        return CODECS[session.integers(len(CODECS))](augmented, sample_rate)
    return augmented


def _shift_voice(samples: Samples, sample_rate: int, factor: float, speed: float) -> Samples:
    """Multiply pitch and formants by a factor, and the speed by `speed`.

    Resampling by `factor` multiplies pitch, formants and speed. The phase vocoder changes the speed
    only: one pass gives all three.
    """
    stretched = time_stretch(samples, rate=speed / factor)
    raised = librosa.resample(stretched, orig_sr=sample_rate * factor, target_sr=sample_rate)
    return np.asarray(raised)


def move_formants(samples: Samples, sample_rate: int, factor: float) -> NDArray[np.float64]:
    """Multiply the formants by a factor and keep the pitch [shape=(n,), same shape].

    The spectral envelope, the first 1.6 ms of the cepstrum (Oppenheim and Schafer 1968), is scaled
    along the frequency axis.
    """
    spectra = librosa.stft(samples, n_fft=_ENVELOPE_N_FFT)
    cepstra = np.fft.irfft(np.log(np.abs(spectra) + _ENVELOPE_FLOOR), axis=0)
    kept = round(_ENVELOPE_S * sample_rate)
    cepstra[kept : len(cepstra) - kept + 1] = 0
    envelopes = np.fft.rfft(cepstra, axis=0).real
    bins = np.arange(len(envelopes)) / factor
    below = np.minimum(bins.astype(int), len(bins) - 2)
    weight = np.minimum(bins - below, 1)[:, None]
    moved = envelopes[below] * (1 - weight) + envelopes[below + 1] * weight
    change = np.clip(moved - envelopes, -_MAX_CHANGE, _MAX_CHANGE)
    return np.asarray(librosa.istft(spectra * np.exp(change), length=len(samples)))


_KINDS: dict[str, Callable[[Samples, int, int, Rng, Rng], Samples]] = {
    "published": _published,
    "kaggle": _kaggle,
    "voices": _voices,
    "coded": _coded,
}


def vary_level(batch: Samples, config: FeatureConfig, gain_db: float, rng: Rng) -> Samples:
    """Change the level of each window by up to `gain_db`, up or down.

    `batch` has features that are not standardised [shape=(n, n_frames, n_columns), dtype=float32].
    """
    gains = rng.uniform(-gain_db, gain_db, (len(batch), 1)).astype(np.float32)
    varied = batch.copy()
    # A gain of g dB adds g / 20 to log10(rms). It adds g to every mel band, and so
    # g * sqrt(n_mels) to the first coefficient of the orthonormal DCT.
    for column, slope in (("log_rms", 1 / 20), ("mfcc0", math.sqrt(config.n_mels))):
        if column in config.columns:
            varied[:, :, config.columns.index(column)] += gains * np.float32(slope)
    return varied


def equalise(batch: Samples, config: FeatureConfig, deviation_db: float, rng: Rng) -> Samples:
    """Apply a random microphone response to half of the windows.

    The response is a smooth curve over the mel bands plus a tilt. Its DCT is added to the MFCC of
    all frames, which is exact except where ``top_db`` clips.

    Parameters
    ----------
    batch : np.ndarray [shape=(n, n_frames, n_columns), dtype=float32]
        Features that are not standardised, with ``mfcc``.
    deviation_db : float > 0
        Standard deviation of the response at each of six points, and of the tilt [dB].
    """
    n_bands, columns = config.n_mels, config.columns_of["mfcc"]
    points = rng.normal(0, deviation_db, (len(batch), _EQUALISER_POINTS))
    places = np.linspace(0, _EQUALISER_POINTS - 1, n_bands)
    curves = np.stack([np.interp(places, np.arange(_EQUALISER_POINTS), row) for row in points])
    curves += rng.normal(0, deviation_db, (len(batch), 1)) * np.linspace(-1, 1, n_bands)
    curves -= curves.mean(axis=1, keepdims=True)  # `vary_level` changes the level
    curves *= rng.random((len(batch), 1)) < 0.5
    equalised = batch.copy()
    equalised[:, :, columns] += (curves @ dct_matrix(config.n_mfcc, n_bands))[:, None]
    return equalised


def mask(batch: Samples, settings: BatchAugmentation, rng: Rng) -> Samples:
    """Shift each window along time, and set random frames and columns to zero, the mean.

    SpecAugment (Park et al. 2019) on standardised features [shape=(n, n_frames, n_columns)].
    """
    n, n_frames, n_columns = batch.shape

    def random_range(size: int, limit: int) -> NDArray[np.bool_]:
        start, length = rng.integers(size, size=(n, 1)), rng.integers(limit, size=(n, 1))
        place = np.arange(size)
        return (start <= place) & (place < start + length)

    shift = rng.integers(-settings.shift_frames, settings.shift_frames + 1, size=(n, 1))
    source = (np.arange(n_frames) - shift) % n_frames
    masked = np.take_along_axis(batch, source[:, :, None], axis=1)
    for _ in range(settings.time_masks):
        masked[random_range(n_frames, settings.time_mask_frames)] = 0
    if settings.column_mask:
        masked.transpose(0, 2, 1)[random_range(n_columns, settings.column_mask)] = 0
    return masked


def mixup(batch: Samples, targets: Samples, alpha: float, rng: Rng) -> tuple[Samples, Samples]:
    """Mix each window, and its target, with another one of the batch (Zhang et al. 2018)."""
    share = np.float32(rng.beta(alpha, alpha))
    order = rng.permutation(len(batch))
    return (
        share * batch + (1 - share) * batch[order],
        share * targets + (1 - share) * targets[order],
    )
