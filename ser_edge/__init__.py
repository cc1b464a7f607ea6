"""Speech emotion recognition on devices, with NumPy and one interpreter.

>>> from ser_edge import Classifier
>>> Classifier.load().predict("clip.wav").label  # doctest: +SKIP
'happy'
"""

import logging
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ser_edge.adaptation import Profile
    from ser_edge.bundle import Bundle
    from ser_edge.classifier import Classifier
    from ser_edge.errors import AudioError, BackendError, BundleError, ConfigError, SerEdgeError
    from ser_edge.features import FeatureConfig, FeatureExtractor
    from ser_edge.prediction import Prediction, Segment, Window
    from ser_edge.streaming import Stream, StreamConfig
    from ser_edge.window import WindowConfig
else:
    # Imported on first use, so that `ser-edge --help` does not import NumPy.
    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})


logging.getLogger(__name__).addHandler(logging.NullHandler())

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
    "Profile",
    "Segment",
    "SerEdgeError",
    "Stream",
    "StreamConfig",
    "Window",
    "WindowConfig",
]

_HOMES = {
    "AudioError": "errors",
    "BackendError": "errors",
    "Bundle": "bundle",
    "BundleError": "errors",
    "Classifier": "classifier",
    "ConfigError": "errors",
    "FeatureConfig": "features",
    "FeatureExtractor": "features",
    "Prediction": "prediction",
    "Profile": "adaptation",
    "Segment": "prediction",
    "SerEdgeError": "errors",
    "Stream": "streaming",
    "StreamConfig": "streaming",
    "Window": "prediction",
    "WindowConfig": "window",
}
