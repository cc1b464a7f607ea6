"""How does the cost grow with a clip's length, a batch, threads and the number of clips?

python benchmarks/scaling.py [BUNDLE] [--corpora speech]

writes ``results/scaling.json``. Sizes take turns; times are CPU time, except with threads, where
they are wall-clock time. Each is fitted by a line and by a power of the size. A BUNDLE with every
variant shows most; by default the package's.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray

from measuring import results
from measuring.feature_calls import librosa_features
from measuring.speech import add_corpora_option, sample_clips
from measuring.turns import fit_growth, growth, in_turns
from ser_edge import Classifier, FeatureExtractor
from ser_edge.backends import INTERPRETERS, open_model
from ser_edge.bundle import PRETRAINED, Bundle
from ser_edge_train.variant_comparison import runnable_variants

LENGTHS_S = (0.5, 1, 2, 4, 8, 16, 32, 64)
BATCHES = (1, 2, 4, 8, 16, 32, 64)
N_CLIPS = (1, 2, 4, 8, 16, 32)
THREADS = (1, 2, 4)
PRECISIONS = ("int8", "float32")
ROUNDS = 15
N_PREDICTIONS = 64


def with_length(classifier: Classifier) -> dict[str, Any]:
    """Features and whole predictions by the length of the clip [s]."""
    features = classifier.bundle.manifest.input.features
    sample_rate, extract = features.sample_rate, FeatureExtractor(features)
    sound = _noise(64 * sample_rate)

    def cut(length_s: float) -> Any:
        return sound[: round(length_s * sample_rate)]

    calls: dict[str, Callable[[float], object]] = {
        "features, ser-edge": lambda length_s: extract(cut(length_s)),
        "features, librosa": lambda length_s: librosa_features(cut(length_s), sample_rate),
        "predict, windows each second": lambda length_s: classifier.predict(
            cut(length_s), sample_rate
        ),
    }
    return growth(LENGTHS_S, calls, 7)


def with_batch(bundle: Bundle) -> dict[str, Any]:
    """The network on several windows at once."""
    windows = _noise((max(BATCHES), *bundle.manifest.input.shape))
    calls: dict[str, Callable[[int], object]] = {}
    for backend, model in runnable_variants(bundle.manifest.models):
        if model.input_kind != "audio" and model.precision in PRECISIONS:
            network = open_model(bundle.model_bytes(model), backend, model.file)
            name = f"{backend}, {model.file}"
            calls[name] = lambda n, network=network: network.run(windows[:n])  # type: ignore[misc]
    return growth(BATCHES, calls, ROUNDS)


def with_threads(classifier: Classifier, bundle: Bundle) -> dict[str, Any]:
    """Threads within one inference [ms, wall clock], and threads that share a classifier."""
    counts = [count for count in THREADS if count <= (os.cpu_count() or 1)]
    window = _noise((1, *bundle.manifest.input.shape))
    calls: dict[tuple[str, int], Callable[[], object]] = {}
    for backend, model in runnable_variants(bundle.manifest.models):
        threaded = backend in ("litert", "onnx") and model.input_kind == "features"
        if threaded and model.precision in PRECISIONS:
            for count in counts:
                content = bundle.model_bytes(model)
                network = open_model(content, backend, model.file, threads=count)
                calls[f"{backend}, {model.file}", count] = partial(network.run, window)
    times = in_turns(calls, 4 * ROUNDS, time.perf_counter)
    sample_rate = classifier.bundle.manifest.input.features.sample_rate
    clip = _noise(3 * sample_rate)
    shared: dict[int, list[float]] = {count: [] for count in counts}
    pools = {count: ThreadPoolExecutor(count) for count in counts}
    for _ in range(ROUNDS):
        for count, pool in pools.items():
            began = time.perf_counter()
            list(pool.map(lambda _: classifier.predict(clip, sample_rate), range(N_PREDICTIONS)))
            shared[count].append(N_PREDICTIONS / (time.perf_counter() - began))
    return {
        "counts": counts,
        "inference_ms": {
            name: [1e3 * float(np.median(times[name, count])) for count in counts]
            for name in dict.fromkeys(name for name, _ in calls)
        },
        "shared_predictions_per_s": [float(np.median(shared[count])) for count in counts],
    }


def with_clips(folder: Path, clips: Sequence[Path]) -> dict[str, Any]:
    """The command `ser-edge predict` on several clips, from its start to its end."""
    command = [sys.executable, "-m", "ser_edge", "predict", "--json", "--bundle", str(folder)]
    spent: dict[int, list[float]] = {count: [] for count in N_CLIPS}
    for number in range(8):
        for count, times in spent.items():
            began = _children_s()
            done = subprocess.run(
                [*command, *map(str, clips[:count])], stdout=subprocess.DEVNULL, check=False
            )
            if done.returncode:
                sys.exit(f"{' '.join(command)} exited with {done.returncode}")
            if number:
                times.append(_children_s() - began)
    ms = [1e3 * float(np.median(times)) for times in spent.values()]
    return {"ser-edge predict": fit_growth(N_CLIPS, ms)}


def _children_s() -> float:
    """Return the CPU time of all child processes that have ended [s]."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _noise(shape: int | tuple[int, ...]) -> NDArray[np.float32]:
    return (0.1 * np.random.default_rng(0).standard_normal(shape)).astype(np.float32)


def main() -> None:
    """Measure and write the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("bundle", type=Path, nargs="?", default=PRETRAINED)
    add_corpora_option(parser)
    arguments = parser.parse_args()
    bundle, classifier = Bundle.open(arguments.bundle), Classifier.load(arguments.bundle)
    clips = sample_clips(arguments.corpora, max(N_CLIPS))
    if not clips:
        print(f"{arguments.corpora}: no corpora found; growth with clips left out", file=sys.stderr)
    missing = [b for b in ("litert", "onnx") if not INTERPRETERS[b].usable]
    if missing:
        print(f"{', '.join(missing)}: left out, not installed", file=sys.stderr)
    found = {
        "bundle": bundle.manifest.name,
        "backend": classifier.backend_name,
        "length_s": with_length(classifier),
        "batch": with_batch(bundle),
        "threads": with_threads(classifier, bundle),
        "clips": with_clips(arguments.bundle, clips) if clips else {},
    }
    print(results.write("scaling", found))


if __name__ == "__main__":
    main()
