"""Altered copies of a clip's samples, and altered batches of features. Training clips only.

Pitch, speed and resampling are librosa's (`librosa.effects`, phase vocoder). It compiles parts of
itself as they are first imported, and processes that do so at the same time leave behind a cache
that crashes whoever reads it (numba 0.68): so that happens here, and once.
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

_ENVELOPE_N_FFT = 1024
_ENVELOPE_S = 0.0016  # of the cepstrum: below the period of the highest voice
_ENVELOPE_FLOOR = 1e-6
_MOST_CHANGE = 5.0  # of a magnitude's logarithm


def wave_copy(
    samples: Samples,
    rate: int,
    augmentation: WaveAugmentation,
    copy: int,
    rng: np.random.Generator,
    session: np.random.Generator,
) -> Samples:
    """Make one altered copy of a clip.

    Parameters
    ----------
    samples : np.ndarray [shape=(n,), dtype=float32]
        The clip.
    rate : int > 0
        Samples a second [Hz].
    augmentation : WaveAugmentation
        How copies differ.
    copy : int >= 0
        Which copy; 0 is the clip itself.
    rng : np.random.Generator
        Source of chance.
    session : np.random.Generator
        The same for this copy of all clips of a speaker: decides where the speaker sits.

    Returns
    -------
    altered : np.ndarray [shape=(m,), dtype=float32]
        Longer or shorter than the clip where the speed changed.
    """
    if copy == 0:
        return samples
    return _COPIES[augmentation.kind](samples, rate, copy, rng, session)


def _published(
    samples: Samples, rate: int, copy: int, rng: np.random.Generator, _: np.random.Generator
) -> Samples:
    """Noise and shift, or pitch and stretch, with the constants of the published recipe."""
    if copy % 2:
        return np.roll(_noisy(samples, rng), rng.integers(-5000, 5000))
    raised = pitch_shift(samples, sr=rate, n_steps=0.7)
    return np.asarray(time_stretch(raised, rate=0.8), dtype=np.float32)


def _kaggle(
    samples: Samples, rate: int, copy: int, rng: np.random.Generator, _: np.random.Generator
) -> Samples:
    """Noise, another pitch, or both."""
    raised = pitch_shift(samples, sr=rate, n_steps=0.7) if copy in (2, 3) else samples
    return np.asarray(_noisy(raised, rng) if copy in (1, 3) else raised, dtype=np.float32)


def _noisy(samples: Samples, rng: np.random.Generator) -> Samples:
    amplitude = 0.035 * rng.uniform() * samples.max()
    return np.asarray(samples + amplitude * rng.standard_normal(len(samples)), dtype=np.float32)


def _voices(
    samples: Samples, rate: int, copy: int, rng: np.random.Generator, session: np.random.Generator
) -> Samples:
    """Pitch by up to 3.5 semitones, formants by up to 2.5, speed by up to a seventh; elsewhere."""
    pitch, formants = (2 ** (rng.uniform(-most, most) / 12) for most in (3.5, 2.5))
    altered = _raised(samples, rate, pitch, rng.uniform(0.87, 1.15))
    return _elsewhere(move_formants(altered, rate, formants / pitch), rate, copy, rng, session)


def _coded(
    samples: Samples, rate: int, copy: int, rng: np.random.Generator, session: np.random.Generator
) -> Samples:
    """Send every second session in a room through a codec."""
    altered = _voices(samples, rate, copy, rng, session)
    if copy % 2 and session.random() < 0.5:
        return CODECS[session.integers(len(CODECS))](altered, rate)
    return altered


def _raised(samples: Samples, rate: int, factor: float, speed: float) -> Samples:
    """Raise pitch and formants by a factor, and play `speed` times as fast.

    A clip played `factor` times as fast has both raised by it; the phase vocoder alone changes the
    speed, so that all together costs one vocoder pass.
    """
    slowed = time_stretch(samples, rate=speed / factor)
    return np.asarray(librosa.resample(slowed, orig_sr=rate * factor, target_sr=rate))


def _elsewhere(
    samples: NDArray[Any],
    rate: int,
    copy: int,
    rng: np.random.Generator,
    session: np.random.Generator,
) -> Samples:
    """Odd copies in a room of the speaker's; of the others, every second in white noise."""
    if copy % 2:
        return RoomSimulation.draw(session)(samples, rate, rng)
    if copy % 4:
        level = math.sqrt(np.mean(np.square(samples, dtype=np.float64)))
        noise_level = level * 10 ** (-rng.uniform(10, 35) / 20)
        samples = samples + noise_level * rng.standard_normal(len(samples))
    return np.asarray(samples, dtype=np.float32)


def move_formants(samples: Samples, rate: int, factor: float) -> NDArray[np.float64]:
    """Give a voice a longer or a shorter vocal tract, and leave its pitch.

    The spectral envelope, from the cepstrum's first 1.6 ms (Oppenheim and Schafer 1968), is
    stretched along the frequency.

    Parameters
    ----------
    samples : np.ndarray [shape=(n,), dtype=float32]
        The clip.
    rate : int > 0
        Samples a second [Hz].
    factor : float > 0
        By which formants are raised.

    Returns
    -------
    moved : np.ndarray [shape=(n,), dtype=float64]
    """
    spectra = librosa.stft(samples, n_fft=_ENVELOPE_N_FFT)
    cepstra = np.fft.irfft(np.log(np.abs(spectra) + _ENVELOPE_FLOOR), axis=0)
    kept = round(_ENVELOPE_S * rate)
    cepstra[kept : len(cepstra) - kept + 1] = 0
    envelopes = np.fft.rfft(cepstra, axis=0).real
    bins = np.arange(len(envelopes)) / factor
    below = np.minimum(bins.astype(int), len(bins) - 2)
    share = np.minimum(bins - below, 1)[:, None]
    moved = envelopes[below] * (1 - share) + envelopes[below + 1] * share
    change = np.clip(moved - envelopes, -_MOST_CHANGE, _MOST_CHANGE)
    return np.asarray(librosa.istft(spectra * np.exp(change), length=len(samples)))


_Copy = Callable[[Samples, int, int, np.random.Generator, np.random.Generator], Samples]
_COPIES: dict[str, _Copy] = {
    "published": _published,
    "kaggle": _kaggle,
    "voices": _voices,
    "coded": _coded,
}


def vary_level(
    batch: Samples, config: FeatureConfig, gain_db: float, rng: np.random.Generator
) -> Samples:
    """Play each window louder or softer: what a gain does to ``log_rms`` and ``mfcc0``.

    A gain of g dB adds g to every mel band, so g * sqrt(n_mels) to the orthonormal DCT's first
    coefficient, and g / 20 to log10(rms).

    Parameters
    ----------
    batch : np.ndarray [shape=(n, n_frames, n_columns), dtype=float32]
        Features that are not yet standardised.

    Returns
    -------
    varied : np.ndarray [same shape and dtype]
    """
    gains = rng.uniform(-gain_db, gain_db, (len(batch), 1)).astype(np.float32)
    varied = batch.copy()
    for column, slope in (("log_rms", 1 / 20), ("mfcc0", math.sqrt(config.n_mels))):
        if column in config.columns:
            varied[:, :, config.columns.index(column)] += gains * np.float32(slope)
    return varied


def equalise(
    batch: Samples, config: FeatureConfig, deviation_db: float, rng: np.random.Generator
) -> Samples:
    """Hear half of the windows through another microphone.

    Its response is a smooth curve over the mel bands with a tilt, and adds its DCT to the MFCC of
    all frames; exactly so, but for what ``top_db`` cuts off.

    Parameters
    ----------
    batch : np.ndarray [shape=(n, n_frames, n_columns), dtype=float32]
        Features that are not yet standardised.
    config : FeatureConfig
        Their settings, ``mfcc`` among them.
    deviation_db : float > 0
        Standard deviation of the response at six points, and of the tilt from its middle to its
        ends [dB].
    rng : np.random.Generator
        Source of chance.

    Returns
    -------
    equalised : np.ndarray [same shape and dtype]
    """
    n_bands, columns = config.n_mels, config.columns_of["mfcc"]
    heard = rng.normal(0, deviation_db, (len(batch), 6))
    places = np.linspace(0, 5, n_bands)
    curves = np.stack([np.interp(places, np.arange(6), row) for row in heard])
    curves += rng.normal(0, deviation_db, (len(batch), 1)) * np.linspace(-1, 1, n_bands)
    curves -= curves.mean(axis=1, keepdims=True)  # the level is `vary_level`'s
    curves *= rng.random((len(batch), 1)) < 0.5
    equalised = batch.copy()
    equalised[:, :, columns] += (curves @ dct_matrix(config.n_mfcc, n_bands))[:, None]
    return equalised


def mask(batch: Samples, settings: BatchAugmentation, rng: np.random.Generator) -> Samples:
    """Shift each window along time and set stretches and columns to zero, the mean.

    SpecAugment (Park et al. 2019) on standardised features.

    Parameters
    ----------
    batch : np.ndarray [shape=(n, n_frames, n_columns), dtype=float32]
        Standardised features.

    Returns
    -------
    masked : np.ndarray [same shape and dtype]
    """
    n, n_frames, n_columns = batch.shape

    def stretch(places: int, most: int) -> NDArray[np.bool_]:
        start, length = rng.integers(places, size=(n, 1)), rng.integers(most, size=(n, 1))
        place = np.arange(places)
        return (start <= place) & (place < start + length)

    shift = rng.integers(-settings.shift_frames, settings.shift_frames + 1, size=(n, 1))
    source = (np.arange(n_frames) - shift) % n_frames
    masked = np.take_along_axis(batch, source[:, :, None], axis=1)
    for _ in range(settings.time_masks):
        masked[stretch(n_frames, settings.time_mask_frames)] = 0
    if settings.column_mask:
        masked.transpose(0, 2, 1)[stretch(n_columns, settings.column_mask)] = 0
    return masked


def mixup(
    batch: Samples, targets: Samples, alpha: float, rng: np.random.Generator
) -> tuple[Samples, Samples]:
    """Blend each window, and its target, with another of the batch (Zhang et al. 2018)."""
    share = np.float32(rng.beta(alpha, alpha))
    order = rng.permutation(len(batch))
    return (
        share * batch + (1 - share) * batch[order],
        share * targets + (1 - share) * targets[order],
    )
