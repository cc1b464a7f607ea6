"""TFLite files, by TensorFlow's converter."""

from __future__ import annotations

from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge_train.engine import keras, quiet_stderr, tf


def tflite_model(network: Any, calibration: NDArray[np.float32] | None = None) -> bytes:
    """Convert a Keras model.

    A batch of one is fixed in the file: with an open batch the converter wraps every convolution in
    reshapes, and tflite-runtime hands nothing to XNNPACK.

    Parameters
    ----------
    network : keras.Model
        With one input.
    calibration : np.ndarray [shape=(n, *input_shape), dtype=float32], optional
        Standardised features of training windows; with them weights and arithmetic become int8,
        without them all stays float32.

    Returns
    -------
    content : bytes
        Of a ``.tflite`` file with float32 input and output.
    """
    shape = (1, *network.input_shape[1:])
    with TemporaryDirectory() as folder, quiet_stderr():
        archive = keras.export.ExportArchive()
        archive.track(network)
        archive.add_endpoint(
            "serve",
            lambda features: network(features, training=False),
            input_signature=[tf.TensorSpec(shape, tf.float32, name="features")],
        )
        archive.write_out(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if calibration is not None:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: ([window[None]] for window in calibration)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        return bytes(converter.convert())
