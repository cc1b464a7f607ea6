"""Features of speech, equal to librosa 0.11's, with NumPy."""

from ser_edge.features.config import FeatureConfig
from ser_edge.features.extractor import FeatureExtractor, flatten

__all__ = ["FeatureConfig", "FeatureExtractor", "flatten"]
