"""Other voices, made of features: another vocal tract and another pitch for each window.

Formants that are raised by a factor stretch the mel spectrum, and so map the MFCC linearly (Pitz
and Ney 2005, "Vocal tract normalization equals linear transformation in cepstral space"; to draw
the factor anew for each clip in training is Jaitly and Hinton's VTLP, 2013). It costs a product of
small matrices, where `ser_edge_train.augment.move_formants` has to be computed and kept.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from librosa import mel_frequencies
from numpy.typing import NDArray

from ser_edge.features import FeatureConfig
from ser_edge.features.mel import dct_matrix

_N_TRACTS = 31  # that are drawn from


def other_voices(
    batch: NDArray[np.float32],
    config: FeatureConfig,
    *,
    formants: float,
    pitch: float,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Give each window a voice of its own.

    Parameters
    ----------
    batch : np.ndarray [shape=(n, n_frames, n_columns), dtype=float32]
        Features that are not yet standardised.
    config : FeatureConfig
        Their settings. Pitch is changed where both ``log_f0`` and ``voicing`` are among them.
    formants, pitch : float >= 0
        Largest change of the ``mfcc``'s formants, and of ``log_f0``, either way [semitones].
    rng : np.random.Generator
        Source of chance.

    Returns
    -------
    changed : np.ndarray [same shape and dtype]
    """
    changed, columns = batch.copy(), config.columns_of
    drawn = rng.integers(_N_TRACTS, size=len(batch))
    octaves = rng.uniform(-pitch / 12, pitch / 12, (len(batch), 1, 1)).astype(np.float32)
    if "mfcc" in columns:
        mfcc = columns["mfcc"]
        changed[..., mfcc] = batch[..., mfcc] @ _tracts(config, formants)[drawn]
    if {"log_f0", "voicing"} <= columns.keys():
        # log_f0 is a mean in which having no pitch counts too, and so moves by a part of it.
        changed[..., columns["log_f0"]] += octaves * batch[..., columns["voicing"]]
    return changed


@lru_cache(maxsize=4)
def _tracts(config: FeatureConfig, formants: float) -> NDArray[np.float32]:
    """Return what vocal tracts do to the MFCC of a frame, a row [n, n_mfcc, n_mfcc]."""
    factors = 2 ** (np.linspace(-formants, formants, _N_TRACTS) / 12)
    return np.stack([warp_matrix(config, f).T for f in factors]).astype(np.float32)


def warp_matrix(config: FeatureConfig, factor: float) -> NDArray[np.float64]:
    """Return what raised formants do to a frame's MFCC, a column vector.

    Parameters
    ----------
    config : FeatureConfig
        The settings of the MFCC.
    factor : float > 0
        By which frequencies are raised.

    Returns
    -------
    matrix : np.ndarray [shape=(n_mfcc, n_mfcc), dtype=float64]
        For the smooth spectra that so few coefficients describe, between band centres linear. At
        the upper end what stood above ``fmax`` is not known: the highest band stands for it.
    """
    fmin, fmax = config.mel_range
    edges = mel_frequencies(config.n_mels + 2, fmin=fmin, fmax=fmax)
    centres, bands = edges[1:-1], np.arange(config.n_mels)
    source = np.interp(centres / factor, centres, bands)
    stretched = np.stack([np.interp(source, bands, band) for band in np.eye(config.n_mels)], axis=1)
    dct = dct_matrix(config.n_mfcc, config.n_mels)
    return np.asarray(dct.T @ stretched @ dct)
