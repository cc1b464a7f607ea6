"""Resample with NumPy, close to librosa's default (soxr HQ)."""

from ser_edge.resampling.resampler import MAX_RATE, MIN_RATE, Resampler, check_sample_rate, resample

__all__ = ["MAX_RATE", "MIN_RATE", "Resampler", "check_sample_rate", "resample"]
