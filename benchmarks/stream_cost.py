"""What does a stream cost: time per hop, real-time factor, memory over hours?

python benchmarks/stream_cost.py [--bundle DIR] [--hours 10]

writes ``results/stream_cost.json`` and the tables of it.

One thread. A hop is compared with a whole window's features and network, in turns. The network is
timed right after the features, as in `predict`: alone in a loop it finds warm caches and takes a
third less. Hours of sound come in chunks of 50 ms at 48 kHz, no multiple of the features' rate.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray

from ser_edge import Classifier, Stream
from ser_edge.bundle import PRETRAINED
from ser_edge.features import FeatureExtractor
from ser_edge.features.rolling import RollingFeatures
from ser_edge.frontend import Frontend

SAMPLE_RATE = 48000
HOPS_S = (0.25, 0.5, 1.0)
ROUNDS = 15
SECONDS = 60


def main() -> None:
    """Read the command line, measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bundle", type=Path, default=PRETRAINED)
    parser.add_argument("--hours", type=float, default=10.0)
    arguments = parser.parse_args()
    classifier = Classifier.load(arguments.bundle)
    before = _resident_mib()
    hours = _hours(classifier, arguments.hours, before)  # before imports that need memory
    found = {"backend": classifier.backend_name, **_costs(classifier), "hours": hours}
    from measuring import document_tables, results

    print(results.write("stream_cost", found))
    document_tables.fill_documents()


def _costs(classifier: Classifier) -> dict[str, Any]:
    config = classifier.bundle.manifest.input
    sample_rate = config.features.sample_rate
    samples = _sound(0, SECONDS * sample_rate)
    frontend = Frontend(config.features, config.window)
    extract = FeatureExtractor(config.features)
    times: dict[str, list[float]] = {}

    def timed(name: str, began: float, count: int) -> None:
        times.setdefault(name, []).append((time.perf_counter() - began) / count)

    for _ in range(ROUNDS):
        spent = np.zeros(2)
        for start in range(0, 50 * 512, 512):
            began = time.perf_counter()
            features = frontend.window_features(samples, start)
            computed = time.perf_counter()
            classifier.probabilities(config.network_inputs(features[None]))
            spent += computed - began, time.perf_counter() - computed
        times.setdefault("features", []).append(spent[0] / 50)
        times.setdefault("network", []).append(spent[1] / 50)
        for hop_s in HOPS_S:
            stream = Stream(classifier, sample_rate, hop_s=hop_s)
            hop_frames = round(stream.hop_s * sample_rate / config.features.hop_length)
            rolling = RollingFeatures(extract, frontend.window_samples, hop_frames)
            began = time.perf_counter()
            count = sum(1 for _ in rolling.feed(samples))
            timed(f"rolling {hop_s}", began, count)
            began = time.perf_counter()
            count = len(stream.feed(samples))
            timed(f"hop {hop_s}", began, count)
    medians = {name: statistics.median(values) for name, values in times.items()}
    hops = []
    for hop_s in HOPS_S:
        whole_s = [sum(each) for each in zip(times["features"], times["network"], strict=True)]
        hop = medians[f"hop {hop_s}"]
        hops.append(
            {
                "hop_s": hop_s,
                "ms": 1e3 * hop,
                "features_share": _median_ratio(times[f"rolling {hop_s}"], times["features"]),
                "share": _median_ratio(times[f"hop {hop_s}"], whole_s),
                "real_time_factor": hop / Stream(classifier, sample_rate, hop_s=hop_s).hop_s,
            }
        )
    return {
        "window_features_ms": 1e3 * medians["features"],
        "window_network_ms": 1e3 * medians["network"],
        "hops": hops,
    }


def _median_ratio(times: list[float], of: list[float]) -> float:
    """Compare within rounds, since the machine's speed changes between them."""
    return statistics.median(a / b for a, b in zip(times, of, strict=True))


def _hours(classifier: Classifier, hours: float, before_mib: float) -> dict[str, Any]:
    stream = Stream(classifier, SAMPLE_RATE)
    chunk = SAMPLE_RATE // 20
    n_chunks = round(hours * 3600 * 20)
    memory: list[float] = []
    last = None
    spent_s = 0.0
    sound = _sound(1, 5 * SAMPLE_RATE)
    for number in range(n_chunks):
        start = number * chunk % (len(sound) - chunk)
        before = time.perf_counter()
        segments = stream.feed(sound[start : start + chunk])
        spent_s += time.perf_counter() - before
        last = segments[-1] if segments else last
        if number % max(1, n_chunks // 10) == max(1, n_chunks // 10) - 1:
            memory.append(_resident_mib())
            print(f"{(number + 1) / 20 / 3600:.1f} h, {memory[-1]:.1f} MiB", file=sys.stderr)
    assert last is not None
    total_s = n_chunks * chunk / SAMPLE_RATE
    return {
        "hours": hours,
        "sample_rate": SAMPLE_RATE,
        "real_time_factor": spent_s / total_s,
        "opened_mib": before_mib,
        "resident_mib": memory,
        "last_segment_ends_before_s": total_s - last.end_s,
        "hop_s": stream.hop_s,
    }


def _sound(seed: int, n: int) -> NDArray[np.float32]:
    """Return bursts of noise; their spectrum does not change the cost."""
    rng = np.random.default_rng(seed)
    bursts = np.maximum(np.sin(np.arange(n) / 4000), 0)
    return np.asarray(0.1 * bursts * rng.standard_normal(n), np.float32)


def _resident_mib() -> float:
    text = Path("/proc/self/statm").read_text(encoding="ascii")
    return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    main()
