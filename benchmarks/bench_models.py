"""What each form of a network costs in each interpreter, and what it reaches: latency, size, UAR.

    python benchmarks/bench_models.py BUNDLE [BUNDLE ...]
    python -m pytest benchmarks/bench_models.py -p benchmark

The first writes ``results/models.json``. Every file in every interpreter has a process, with one
thread, and the processes take turns. UAR is what the export found on the run's test clips, and
stands in the manifest. Bundles of the two recipes, on RAVDESS's unseen speakers:

    ser-edge train speech/ravdess --ensemble 1 --no-retrain --out runs/edge
    ser-edge export runs/edge --all --audio
    ser-edge train speech/ravdess --recipe seed --epochs 5 --out runs/seed
    ser-edge export runs/seed --all --audio --allow-degraded

The second gives pytest-benchmark's figures of the bundle that comes with the package.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import record
from bursts import opened
from ser_edge.bundle import PRETRAINED, Bundle
from ser_edge_train.variant_comparison import runnable_variants
from turns import spread

HERE = Path(__file__).parent
ROUNDS = 25
FEATURES = ("features", "")
OF_PACKAGE = [(b, m.file) for b, m in runnable_variants(Bundle.open(PRETRAINED).manifest.models)]


@pytest.mark.parametrize(("backend", "file"), [FEATURES, *OF_PACKAGE])
def test_models(benchmark: BenchmarkFixture, backend: str, file: str) -> None:
    benchmark(opened(str(PRETRAINED), backend, file))


def measure(folder: Path) -> dict[str, Any]:
    """Time all forms of a bundle, and gather what its manifest says of them."""
    bundle = Bundle.open(folder)
    about = bundle.manifest.about
    pairs = [(backend, model) for backend, model in runnable_variants(bundle.manifest.models)]
    times = _times(folder, [FEATURES, *((backend, model.file) for backend, model in pairs)])
    source = about["metrics"]["all"]
    changes = {(form["backend"], form["file"]): form["uar_change"] for form in about["forms"]}
    forms = []
    for backend, model in pairs:
        change = changes.get((backend, model.file))
        forms.append(
            {
                "file": model.file,
                "backend": backend,
                "precision": model.precision,
                "input_kind": model.input_kind,
                "size_kib": model.size_bytes / 1024,
                **spread(times[backend, model.file]),
                "uar": None if change is None else source["uar"] + change,
            }
        )
    window = bundle.manifest.input.window
    return {
        "name": bundle.manifest.name,
        "recipe": about["recipe"]["name"],
        "parameters": about["parameters"],
        "epochs": about["epochs"],
        "window_s": window.duration_s,
        "protocol": about["protocol"]["name"],
        "corpora": sorted(set(about["corpora"])),
        "n_clips": source["n_clips"],
        "n_speakers": source["n_speakers"],
        "uar": source["uar"],
        "uar_low": source["uar_low"],
        "uar_high": source["uar_high"],
        "features": spread(times[FEATURES]),
        "forms": forms,
    }


def _times(folder: Path, ways: list[tuple[str, str]]) -> dict[tuple[str, str], list[float]]:
    """Start a process for each way, and let them take turns [s]."""
    times: dict[tuple[str, str], list[float]] = {way: [] for way in ways}
    with ExitStack() as stack:
        processes = {}
        for way in ways:
            command = [sys.executable, str(HERE / "bursts.py"), str(folder), *way]
            processes[way] = stack.enter_context(
                subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                )
            )
        for number in range(ROUNDS + 1):
            for way, process in processes.items():
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write("\n")
                process.stdin.flush()
                said = process.stdout.readline()
                if not said:
                    sys.exit(f"{folder}: {' '.join(way)} died; try it with bursts.py by itself")
                if number:
                    times[way].append(float(said))
        for process in processes.values():
            process.communicate()
    return times


def main() -> None:
    """Measure and write the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("bundles", type=Path, nargs="*", default=[PRETRAINED], metavar="BUNDLE")
    bundles = []
    for folder in parser.parse_args().bundles:
        print(folder, file=sys.stderr)
        bundles.append(measure(folder))
    print(record.write("models", {"bundles": bundles}))


if __name__ == "__main__":
    main()
