"""How cost grows: with a clip's length, with a batch, with threads and with the number of clips.

python benchmarks/bench_scale.py [BUNDLE] [--corpora speech]

writes ``results/scale.json``. Sizes take turns; times are of the processor, but for threads, where
the wall's count. Each is fitted by least squares of relative errors, with an intercept and a slope,
and by a power of the size. BUNDLE is best one with every form; by default the package's.
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

import librosa
import numpy as np

import record
from growth import curve, grown
from ser_edge import Classifier, FeatureExtractor
from ser_edge.backends import INTERPRETERS, open_model
from ser_edge.bundle import PRETRAINED, Bundle
from ser_edge_train.variant_comparison import runnable_variants
from speech import add_corpora, draw
from turns import in_turns

LENGTHS_S = (0.5, 1, 2, 4, 8, 16, 32, 64)
BATCHES = (1, 2, 4, 8, 16, 32, 64)
N_CLIPS = (1, 2, 4, 8, 16, 32)
THREADS = (1, 2, 4)
PRECISIONS = ("int8", "float32")
ROUNDS = 15


def with_length(classifier: Classifier) -> dict[str, Any]:
    """Features and whole predictions of clips of some length [s]."""
    rate = classifier.bundle.manifest.input.features.sample_rate
    sound = (0.1 * np.random.default_rng(0).standard_normal(64 * rate)).astype(np.float32)
    extract = FeatureExtractor(classifier.bundle.manifest.input.features)

    def cut(length_s: float) -> Any:
        return sound[: round(length_s * rate)]

    def librosas(length_s: float) -> None:
        y = cut(length_s)
        librosa.feature.zero_crossing_rate(y)
        librosa.feature.rms(y=y)
        librosa.feature.mfcc(y=y, sr=rate)

    contenders: dict[str, Callable[[float], object]] = {
        "features, ser-edge": lambda length_s: extract(cut(length_s)),
        "features, librosa": librosas,
        "predict, windows each second": lambda length_s: classifier.predict(cut(length_s), rate),
    }
    return grown(LENGTHS_S, contenders, 7)


def with_batch(bundle: Bundle) -> dict[str, Any]:
    """The network on some windows at once."""
    shape = bundle.manifest.input.shape
    windows = np.random.default_rng(0).standard_normal((max(BATCHES), *shape)).astype(np.float32)
    contenders: dict[str, Callable[[int], object]] = {}
    for backend, model in runnable_variants(bundle.manifest.models):
        if model.input_kind != "audio" and model.precision in PRECISIONS:
            network = open_model(bundle.folder / model.file, backend)
            name = f"{backend}, {model.file}"
            contenders[name] = lambda n, network=network: network.run(windows[:n])  # type: ignore[misc]
    return grown(BATCHES, contenders, ROUNDS)


def with_threads(classifier: Classifier, bundle: Bundle) -> dict[str, Any]:
    """Threads within one inference [ms of the wall], and threads that share a classifier."""
    counts = [count for count in THREADS if count <= (os.cpu_count() or 1)]
    shape = bundle.manifest.input.shape
    window = np.random.default_rng(0).standard_normal((1, *shape)).astype(np.float32)
    contenders: dict[str, Callable[[], object]] = {}
    names = []
    for backend, model in runnable_variants(bundle.manifest.models):
        if (
            backend in ("litert", "onnx")
            and model.input_kind == "features"
            and model.precision in PRECISIONS
        ):
            names.append(f"{backend}, {model.file}")
            for count in counts:
                network = open_model(bundle.folder / model.file, backend, threads=count)
                contenders[f"{names[-1]} {count}"] = partial(network.run, window)
    times = in_turns(contenders, 4 * ROUNDS, time.perf_counter)
    rate = classifier.bundle.manifest.input.features.sample_rate
    clip = (0.1 * np.random.default_rng(1).standard_normal(3 * rate)).astype(np.float32)
    shared: dict[int, list[float]] = {count: [] for count in counts}
    pools = {count: ThreadPoolExecutor(count) for count in counts}
    for _ in range(ROUNDS):
        for count, pool in pools.items():
            began = time.perf_counter()
            list(pool.map(lambda _: classifier.predict(clip, rate), range(64)))
            shared[count].append(64 / (time.perf_counter() - began))
    return {
        "counts": counts,
        "inference_ms": {
            name: [1e3 * float(np.median(times[f"{name} {count}"])) for count in counts]
            for name in names
        },
        "shared_predictions_per_s": [float(np.median(shared[count])) for count in counts],
    }


def with_clips(folder: Path, clips: Sequence[Path]) -> dict[str, Any]:
    """`ser-edge predict` on some clips: a process from its start to its end."""
    command = [
        sys.executable,
        "-m",
        "ser_edge.cli.command_line",
        "predict",
        "--json",
        "--bundle",
        str(folder),
    ]
    spent: dict[int, list[float]] = {count: [] for count in N_CLIPS}
    for number in range(8):
        for count, times in spent.items():
            process = subprocess.Popen([*command, *map(str, clips[:count])], stdout=subprocess.PIPE)
            process.communicate()
            if process.returncode:
                sys.exit(f"{' '.join(command)} ends with {process.returncode}; try it by itself")
            if number:
                times.append(_children_s())
            else:
                _children_s()
    return {
        "ser-edge predict": curve(
            N_CLIPS, [1e3 * float(np.median(times)) for times in spent.values()]
        )
    }


_before = 0.0


def _children_s() -> float:
    """Return the processor's seconds of the children that ended since the last call."""
    global _before
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    now = used.ru_utime + used.ru_stime
    spent, _before = now - _before, now
    return spent


def main() -> None:
    """Measure and write the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("bundle", type=Path, nargs="?", default=PRETRAINED)
    add_corpora(parser)
    arguments = parser.parse_args()
    bundle, classifier = Bundle.open(arguments.bundle), Classifier.load(arguments.bundle)
    clips = draw(arguments.corpora, max(N_CLIPS))
    if not clips:
        print(f"{arguments.corpora}: holds no corpora; no growth with clips", file=sys.stderr)
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
    print(record.write("scale", found))


if __name__ == "__main__":
    main()
