"""What does each model variant cost in each interpreter, and what UAR does it reach?

python benchmarks/model_variants.py BUNDLE [BUNDLE ...]

writes ``results/model_variants.json``. Every file runs in every interpreter in a process of its
own with one thread; the processes take turns. UAR is the export's, on the run's test clips, from
the manifest. To make bundles of both recipes, tested on RAVDESS speakers not in training:

    ser-edge train speech/ravdess --ensemble 1 --no-retrain --out runs/edge
    ser-edge export runs/edge --all --audio
    ser-edge train speech/ravdess --recipe seed --epochs 5 --out runs/seed
    ser-edge export runs/seed --all --audio --allow-degraded
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from measuring import results
from measuring.turns import in_turns, quartiles_ms
from ser_edge.backends import open_model
from ser_edge.bundle import PRETRAINED, Bundle
from ser_edge.frontend import Frontend

ROUNDS, CALLS_PER_TURN = 25, 15
FEATURES = ("features", "")

_call: Callable[[], object]


def _open(folder: str, backend: str, file: str) -> None:
    """Prepare this process for `_turn`: a model file, or a window's features."""
    global _call
    manifest = Bundle.open(folder).manifest
    noise = np.random.default_rng(0).standard_normal(manifest.input.window_samples)
    signal = (0.1 * noise).astype(np.float32)
    frontend = Frontend(manifest.input.features, manifest.input.window)

    def network_inputs() -> Any:
        return manifest.input.network_inputs(frontend.window_features(signal, 0)[None])

    if (backend, file) == FEATURES:
        _call = network_inputs
        return
    (model,) = (model for model in manifest.models if model.file == file)
    inputs = signal[None] if model.input_kind == "audio" else network_inputs()
    network = open_model(Path(folder, file).read_bytes(), backend, file)
    _call = lambda: network.run(inputs)  # noqa: E731


def _turn() -> float:
    """Return the median CPU time of a call in this process [s]."""
    return float(median(in_turns({"": _call}, CALLS_PER_TURN)[""]))


def measure(folder: Path) -> dict[str, Any]:
    """Time all variants of a bundle, and collect what its manifest states."""
    # Here, so that the timed processes, which import this module, do without it.
    from ser_edge_train.variant_comparison import runnable_variants

    bundle = Bundle.open(folder)
    about = bundle.manifest.about
    pairs = list(runnable_variants(bundle.manifest.models))
    times = _times(folder, [FEATURES, *((backend, model.file) for backend, model in pairs)])
    scores = about["metrics"]["all"]
    changes = {(v["backend"], v["file"]): v["uar_change"] for v in about["variants"]}
    return {
        "name": bundle.manifest.name,
        "recipe": about["recipe"]["name"],
        "parameters": about["parameters"],
        "epochs": about["epochs"],
        "window_s": bundle.manifest.input.window.duration_s,
        "protocol": about["protocol"]["name"],
        "corpora": sorted(set(about["corpora"])),
        **{key: scores[key] for key in ("n_clips", "n_speakers", "uar", "uar_low", "uar_high")},
        "features": quartiles_ms(times[FEATURES]),
        "variants": [
            {
                "file": model.file,
                "backend": backend,
                "precision": model.precision,
                "input_kind": model.input_kind,
                "size_kib": model.size_bytes / 1024,
                **quartiles_ms(times[backend, model.file]),
                "uar": scores["uar"] + changes[backend, model.file]
                if (backend, model.file) in changes
                else None,
            }
            for backend, model in pairs
        ],
    }


def _times(folder: Path, pairs: list[tuple[str, str]]) -> dict[tuple[str, str], list[float]]:
    """Start a process for each backend and file, and let them take turns [s]."""
    times: dict[tuple[str, str], list[float]] = {pair: [] for pair in pairs}
    with ExitStack() as stack:
        pools = {
            pair: stack.enter_context(
                ProcessPoolExecutor(1, get_context("spawn"), _open, (str(folder), *pair))
            )
            for pair in pairs
        }
        for number in range(ROUNDS + 1):
            for pair, pool in pools.items():
                try:
                    seconds = pool.submit(_turn).result()
                except BrokenProcessPool:
                    sys.exit(f"{folder}: {' '.join(pair)} cannot be run; try ser-edge verify")
                if number:  # the first turn starts the process
                    times[pair].append(seconds)
    return times


def main() -> None:
    """Measure and write the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("bundles", type=Path, nargs="*", default=[PRETRAINED], metavar="BUNDLE")
    bundles = []
    for folder in parser.parse_args().bundles:
        print(folder, file=sys.stderr)
        bundles.append(measure(folder))
    print(results.write("model_variants", {"bundles": bundles}))


if __name__ == "__main__":
    main()
