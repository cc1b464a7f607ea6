"""VTLP and pitch change on features: another voice for each window of a batch.

Multiplying the formants by a factor scales the mel spectrum, a linear map of the MFCC (Pitz and Ney
2005, "Vocal tract normalization equals linear transformation in cepstral space"). VTLP draws a new
factor for each training clip (Jaitly and Hinton 2013). It costs a product of small matrices, where
`ser_edge_train.augment.move_formants` needs an STFT and a cache.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from librosa import mel_frequencies
from numpy.typing import NDArray

from ser_edge.features import FeatureConfig
from ser_edge.features.mel import dct_matrix

_N_FACTORS = 31  # precomputed matrices, between the lowest and the highest factor


def vtlp(
    batch: NDArray[np.float32],
    config: FeatureConfig,
    *,
    formants: float,
    pitch: float,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Change formants and pitch of each window.

    Parameters
    ----------
    batch : np.ndarray [shape=(n, n_frames, n_columns), dtype=float32]
        Features that are not standardised.
    config : FeatureConfig
        Their settings. The pitch changes only if they include ``log_f0`` and ``voicing``.
    formants, pitch : float >= 0
        Maximum change of ``mfcc`` formants and of ``log_f0``, up or down [semitones].

    Returns
    -------
    changed : np.ndarray [same shape and dtype]
    """
    changed, columns = batch.copy(), config.columns_of
    drawn = rng.integers(_N_FACTORS, size=len(batch))
    octaves = rng.uniform(-pitch / 12, pitch / 12, (len(batch), 1, 1)).astype(np.float32)
    if "mfcc" in columns:
        mfcc = columns["mfcc"]
        changed[..., mfcc] = batch[..., mfcc] @ _matrices(config, formants)[drawn]
    if {"log_f0", "voicing"} <= columns.keys():
        # log_f0 is a mean over pitch candidates that include "unvoiced", weighted by voicing.
        changed[..., columns["log_f0"]] += octaves * batch[..., columns["voicing"]]
    return changed


@lru_cache(maxsize=4)
def _matrices(config: FeatureConfig, formants: float) -> NDArray[np.float32]:
    """Return the matrices for MFCC as row vectors [shape=(n_factors, n_mfcc, n_mfcc)]."""
    factors = 2 ** (np.linspace(-formants, formants, _N_FACTORS) / 12)
    return np.stack([vtlp_matrix(config, f).T for f in factors]).astype(np.float32)


def vtlp_matrix(config: FeatureConfig, factor: float) -> NDArray[np.float64]:
    """Return the matrix that multiplies formants by a factor, for MFCC as a column vector.

    It assumes a spectrum that is linear between band centres and constant above the highest one.
    [shape=(n_mfcc, n_mfcc), dtype=float64]
    """
    fmin, fmax = config.mel_range
    edges = mel_frequencies(config.n_mels + 2, fmin=fmin, fmax=fmax)
    centres, bands = edges[1:-1], np.arange(config.n_mels)
    source = np.interp(centres / factor, centres, bands)
    scaled = np.stack([np.interp(source, bands, band) for band in np.eye(config.n_mels)], axis=1)
    dct = dct_matrix(config.n_mfcc, config.n_mels)
    return np.asarray(dct.T @ scaled @ dct)
