"""The contenders of bench_features.py that every NumPy can run, and their turns.

python benchmarks/features_turns.py [--rounds 60]

prints the figures as JSON. bench_features.py starts it in two environments; it needs NumPy and
librosa.
"""

from __future__ import annotations

import argparse
import json
import os
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import librosa
import numpy as np
from numpy.typing import NDArray

from ser_edge import FeatureExtractor
from turns import in_turns, spread, times_as_fast

RATE, N_CLIPS = 22050, 16
CLIPS = (0.1 * np.random.default_rng(0).standard_normal((N_CLIPS, 55125))).astype(np.float32)
SIGNAL = CLIPS[0]
EXTRACT = FeatureExtractor()
FRAMES = np.lib.stride_tricks.sliding_window_view(np.pad(SIGNAL.astype(np.float64), 1024), 2048)
FRAMES = FRAMES[::512].copy()
OURS, BATCH, LIBROSA, FFT = "ser-edge", "ser-edge, 16 in a batch", "librosa", "bare FFT"


def ours() -> NDArray[np.float32]:
    return EXTRACT(SIGNAL)


def ours_in_a_batch() -> NDArray[np.float32]:
    return EXTRACT.batch(CLIPS)


def librosa_calls() -> NDArray[Any]:
    return np.vstack(
        [
            librosa.feature.zero_crossing_rate(SIGNAL),
            librosa.feature.rms(y=SIGNAL),
            librosa.feature.mfcc(y=SIGNAL, sr=RATE),
        ]
    )


def bare_fft() -> NDArray[np.complex128]:
    return np.fft.rfft(FRAMES)


CONTENDERS = {OURS: ours, BATCH: ours_in_a_batch, LIBROSA: librosa_calls, FFT: bare_fft}


def measure(rounds: int) -> dict[str, Any]:
    """Let the contenders take turns; a batch counts by the clip."""
    seconds = in_turns(CONTENDERS, rounds)
    seconds[BATCH] /= N_CLIPS
    return {
        "numpy": np.__version__,
        "times": {name: spread(each) for name, each in seconds.items()},
        "librosa_over_ours": times_as_fast(seconds[OURS], seconds[LIBROSA]),
        "ours_over_fft": times_as_fast(seconds[FFT], seconds[OURS]),
        "ours_over_batch": times_as_fast(seconds[BATCH], seconds[OURS]),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=60)
    print(json.dumps(measure(parser.parse_args().rounds)))
