"""What a library's first features cost in a process that has just begun.

python benchmarks/first_call.py NAME

prints the processor's seconds of importing it, of the first call and of the tenth, as JSON. NAME is
ser-edge, librosa or one of peers.py.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray


def opened(name: str) -> Callable[[NDArray[np.float32]], object]:
    """Import a library and return what computes features with it."""
    if name == "ser-edge":
        from ser_edge.features import FeatureExtractor

        return FeatureExtractor()
    if name == "librosa":
        import librosa

        return lambda y: (
            librosa.feature.zero_crossing_rate(y),
            librosa.feature.rms(y=y),
            librosa.feature.mfcc(y=y, sr=22050),
        )
    from peers import PEERS

    return PEERS[name].open()


def measure(name: str) -> dict[str, float]:
    y = (0.1 * np.random.default_rng(0).standard_normal(55125)).astype(np.float32)
    times = [time.process_time()]
    compute = opened(name)
    times.append(time.process_time())
    for _ in range(10):
        compute(y)
        times.append(time.process_time())
    spent = np.diff(times).tolist()
    return {"import_s": spent[0], "first_s": spent[1], "tenth_s": spent[-1]}


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1])))
