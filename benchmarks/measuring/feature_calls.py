"""Features by ser-edge, by librosa's calls and as bare FFTs, timed in turns.

python -m measuring.feature_calls [--rounds 60]

prints the figures as JSON. It needs NumPy and librosa only, so that feature_speed.py can start it
in an environment with another NumPy.
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

from measuring.turns import in_turns, median_ratio, quartiles_ms
from ser_edge import FeatureExtractor

SAMPLE_RATE, N_CLIPS = 22050, 16
CLIPS = (0.1 * np.random.default_rng(0).standard_normal((N_CLIPS, 55125))).astype(np.float32)
SIGNAL = CLIPS[0]
EXTRACT = FeatureExtractor()
FRAMES = np.lib.stride_tricks.sliding_window_view(np.pad(SIGNAL.astype(np.float64), 1024), 2048)
FRAMES = FRAMES[::512].copy()
OURS, BATCH, LIBROSA, FFT = "ser-edge", "ser-edge, 16 in a batch", "librosa", "bare FFT"


def librosa_features(y: NDArray[np.float32], sr: int = SAMPLE_RATE) -> NDArray[Any]:
    """Compute ZCR, RMS and 20 MFCC with librosa [shape=(22, n_frames)]."""
    return np.vstack(
        [
            librosa.feature.zero_crossing_rate(y),
            librosa.feature.rms(y=y),
            librosa.feature.mfcc(y=y, sr=sr),
        ]
    )


def measure(rounds: int) -> dict[str, Any]:
    """Time all in turns; a batch counts per clip."""
    seconds = in_turns(
        {
            OURS: lambda: EXTRACT(SIGNAL),
            BATCH: lambda: EXTRACT.batch(CLIPS),
            LIBROSA: lambda: librosa_features(SIGNAL),
            FFT: lambda: np.fft.rfft(FRAMES),
        },
        rounds,
    )
    seconds[BATCH] /= N_CLIPS
    return {
        "numpy": np.__version__,
        "times": {name: quartiles_ms(each) for name, each in seconds.items()},
        "librosa_over_ours": median_ratio(seconds[LIBROSA], seconds[OURS]),
        "ours_over_fft": median_ratio(seconds[OURS], seconds[FFT]),
        "ours_over_batch": median_ratio(seconds[OURS], seconds[BATCH]),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=60)
    print(json.dumps(measure(parser.parse_args().rounds)))
