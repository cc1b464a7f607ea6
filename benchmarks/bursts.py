"""One model file in one interpreter, timed in bursts at the word of another process.

python benchmarks/bursts.py BUNDLE BACKEND FILE

answers each line of its input with the seconds of the processor that a call took, the median over a
burst of some milliseconds. BACKEND ``features`` computes a window's features instead. In
bench_models.py each form has such a process, so that no library's threads or allocator can touch
another's figures, and the processes take turns.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from ser_edge.backends import open_model
from ser_edge.bundle import Bundle
from ser_edge.frontend import Frontend
from turns import in_turns

CALLS_A_BURST = 15


def opened(folder: str, backend: str, file: str) -> Callable[[], object]:
    """Return a call of the network on one window, or one that computes a window's features."""
    manifest = Bundle.open(folder).manifest
    rng = np.random.default_rng(0)
    window, features = manifest.input.window, manifest.input.features
    samples = 0.1 * rng.standard_normal(window.n_samples(features.sample_rate))
    signal = samples.astype(np.float32)
    frontend = Frontend(features, window)
    rows = frontend.window_features(signal, 0)
    inputs = manifest.input.network_inputs(rows[None])
    if backend == "features":
        return lambda: manifest.input.network_inputs(frontend.window_features(signal, 0)[None])
    (model,) = (model for model in manifest.models if model.file == file)
    given = signal[None] if model.input_kind == "audio" else inputs
    network = open_model(Path(folder, file), backend)
    return lambda: network.run(given)


def main(folder: str, backend: str, file: str) -> None:
    """Time a burst for every line that comes."""
    call = opened(folder, backend, file)
    for _ in sys.stdin:
        print(median(in_turns({"": call}, CALLS_A_BURST)[""]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
