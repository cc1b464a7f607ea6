"""Speech emotion recognition on a device: NumPy, the standard library and one interpreter.

>>> from ser_edge import Classifier
>>> Classifier.load("bundle").predict("clip.wav").label  # doctest: +SKIP
'happy'
"""

from ser_edge.bundle import Bundle
from ser_edge.classifier import Classifier, Prediction
from ser_edge.errors import AudioError, BackendError, BundleError, ConfigError, SerEdgeError
from ser_edge.features import FeatureConfig, FeatureExtractor
from ser_edge.window import WindowConfig

__version__ = "0.1.0"

__all__ = [
    "AudioError",
    "BackendError",
    "Bundle",
    "BundleError",
    "Classifier",
    "ConfigError",
    "FeatureConfig",
    "FeatureExtractor",
    "Prediction",
    "SerEdgeError",
    "WindowConfig",
]
