"""Networks that hear voices of another vocal tract, to be averaged with those that do not.

Formants that are raised by a factor stretch the mel spectrum, and so map the MFCC linearly (Pitz
and Ney 2005, "Vocal tract normalization equals linear transformation in cepstral space"). The map
is laid into the kernel of the first convolution, so that the features stay as they are and nothing
is computed for it. What is mapped is what a clip has beyond the mean of the training.
"""

from __future__ import annotations

import numpy as np
from librosa import mel_frequencies
from numpy.typing import NDArray

from ser_edge.features import FeatureConfig
from ser_edge.features.mel import dct_matrix
from ser_edge.frontend import InputConfig
from ser_edge_train.engine import keras


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
    top = config.sample_rate / 2 if config.fmax is None else config.fmax
    edges = mel_frequencies(config.n_mels + 2, fmin=config.fmin, fmax=top)
    centres, bands = edges[1:-1], np.arange(config.n_mels)
    source = np.interp(centres / factor, centres, bands)
    stretched = np.stack([np.interp(source, bands, band) for band in np.eye(config.n_mels)], axis=1)
    dct = dct_matrix(config.n_mfcc, config.n_mels)
    return np.asarray(dct.T @ stretched @ dct)


def warped(network: keras.Model, config: InputConfig, factor: float) -> keras.Model:
    """Return a copy of a network that hears formants raised by a factor.

    Parameters
    ----------
    network : keras.Model
        Whose first layer is a convolution.
    config : InputConfig
        Of its input, ``mfcc`` among the columns.
    factor : float > 0
        1 gives the network itself.

    Returns
    -------
    warped : keras.Model
    """
    if factor == 1:
        return network
    columns = config.features.columns_of["mfcc"]
    scale = np.asarray(config.scale)[columns]
    matrix = warp_matrix(config.features, factor) * scale / scale[:, None]
    copy = keras.models.clone_model(network)
    weights = network.get_weights()
    kernel = weights[0].copy()  # (k, columns, filters)
    kernel[:, columns] = matrix.T @ kernel[:, columns]
    copy.set_weights([kernel, *weights[1:]])
    return copy
