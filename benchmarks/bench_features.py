"""How long features take: ours, librosa's and other libraries'; how far those are from librosa's.

    python benchmarks/bench_features.py [--corpora speech]
    python -m pytest benchmarks/bench_features.py -p benchmark

The first lets contenders take turns, one thread each, and writes ``results/features.json``: 2.5 s
warm, in both generations of NumPy (the other one in ``build/other-numpy``, which it makes), by
stages, cold, beside other libraries (``benchmarks/peers.txt``), and files of a corpus in one and
two processes. The second gives pytest-benchmark's figures of a few.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import librosa
import numpy as np
import pytest
import scipy.fft
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

import record
from features_turns import CONTENDERS, EXTRACT, LIBROSA, OURS, RATE, SIGNAL
from peers import PEERS, Mfcc
from ser_edge import FeatureConfig, FeatureExtractor, audio
from ser_edge.features.descriptors import rms, to_decibels, zcr
from ser_edge.features.frames import Framing
from ser_edge.features.mel import band_groups, dct_matrix, mel_bands
from speech import add_corpora, draw
from turns import in_turns, spread, times_as_fast

HERE = Path(__file__).parent
ROUNDS, TURNS = 60, 5
N_DISTANCE, N_THROUGHPUT = 60, 100


@pytest.mark.parametrize("contender", CONTENDERS)
def test_features(benchmark: BenchmarkFixture, contender: str) -> None:
    benchmark(CONTENDERS[contender])


def numpys() -> dict[str, Any]:
    """Time features in this NumPy and one of the other generation, processes taking turns."""
    pythons, missing = [sys.executable], None
    try:
        pythons.append(str(_other_numpy()))
    except (OSError, subprocess.CalledProcessError) as error:
        said = (getattr(error, "stderr", None) or str(error)).strip()
        missing = said.splitlines()[-1]
        print(f"the other generation of NumPy: left out, {said}", file=sys.stderr)
    command = [str(HERE / "features_turns.py"), "--rounds", str(ROUNDS)]
    turns: list[list[dict[str, Any]]] = [[] for _ in pythons]
    for _ in range(TURNS):
        for python, taken in zip(pythons, turns, strict=True):
            taken.append(_json_of([python, *command]))
    return {"generations": [_medians(taken) for taken in turns], "missing": missing}


def _other_numpy() -> Path:
    """Make, or find, an environment with librosa and NumPy of the other generation."""
    folder = record.ROOT / "build" / "other-numpy"
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    if (folder / "made").is_file():
        return python
    wanted = "numpy>=2" if np.__version__.startswith("1.") else "numpy<2"
    pinned = (record.ROOT / "constraints.txt").read_text("utf-8").splitlines()
    run = partial(subprocess.run, check=True, capture_output=True, text=True)
    uv = [sys.executable, "-m", "uv"]
    run([*uv, "venv", "--clear", "--python", sys.executable, str(folder)])
    with TemporaryDirectory() as scratch:
        constraints = Path(scratch, "constraints.txt")
        constraints.write_text("\n".join(p for p in pinned if not p.startswith("numpy==")), "utf-8")
        into = ["--python", str(python), "--constraint", str(constraints)]
        run([*uv, "pip", "install", *into, wanted, "librosa"])
    (folder / "made").touch()
    return python


def _json_of(command: list[str]) -> dict[str, Any]:
    surroundings = {**os.environ, "PYTHONPATH": os.pathsep.join([str(record.ROOT), str(HERE)])}
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ends with {done.returncode}:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _medians(turns: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the median of each number in results that are alike."""
    found: dict[str, Any] = {}
    for name, value in turns[0].items():
        values = [turn[name] for turn in turns]
        if isinstance(value, str):
            found[name] = value
        else:
            found[name] = _medians(values) if isinstance(value, dict) else median(values)
    return found


def stages() -> dict[str, dict[str, float]]:
    """Time what the features are made of, ours and librosa's [ms]."""
    config = EXTRACT.config
    framing = Framing(RATE, config.n_fft, config.hop_length, config.padding)
    weights = mel_bands(RATE, config.n_fft, n_mels=config.n_mels, fmin=0, fmax=RATE / 2)
    groups, dct = list(band_groups(weights)), dct_matrix(config.n_mfcc, config.n_mels)
    n_frames = config.n_frames(len(SIGNAL))

    def over_frames(stage: Callable[[Any], object]) -> Callable[[], object]:
        return lambda: [stage(frames) for _, frames in framing.pieces(SIGNAL, n_frames)]

    power = np.concatenate([frames.power.copy() for _, frames in framing.pieces(SIGNAL, n_frames)])
    mel = np.empty((n_frames, config.n_mels), np.float32)

    def our_mel() -> None:
        for bands, bins, part in groups:
            np.matmul(power[:, bins], part, out=mel[:, bands])

    our_mel()
    energies, decibels = mel.copy(), mel.copy()
    to_decibels(decibels)
    their_mel, their_power = (np.ascontiguousarray(rows.T) for rows in (energies, power))
    their_decibels = librosa.power_to_db(their_mel)

    def our_decibels() -> None:
        np.copyto(mel, energies)
        to_decibels(mel)
        np.maximum(mel, mel.max() - 80, out=mel)

    pairs: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "zero crossings": (over_frames(zcr), lambda: librosa.feature.zero_crossing_rate(SIGNAL)),
        "RMS": (over_frames(rms), lambda: librosa.feature.rms(y=SIGNAL)),
        "power spectra": (
            over_frames(lambda frames: frames.power),
            lambda: np.abs(librosa.stft(SIGNAL)) ** 2,
        ),
        "mel bands": (our_mel, lambda: librosa.feature.melspectrogram(S=their_power, sr=RATE)),
        "decibels": (our_decibels, lambda: librosa.power_to_db(their_mel)),
        "DCT": (
            lambda: decibels @ dct,
            lambda: scipy.fft.dct(their_decibels, axis=0, norm="ortho")[:20],
        ),
    }
    contenders = {
        f"{who}, {stage}": contender
        for stage, pair in pairs.items()
        for who, contender in zip((OURS, LIBROSA), pair, strict=True)
    }
    times = in_turns(contenders, ROUNDS)
    return {
        who: {stage: spread(times[f"{who}, {stage}"])["ms"] for stage in pairs}
        for who in (OURS, LIBROSA)
    }


def cold(names: list[str]) -> dict[str, dict[str, float]]:
    """Time imports and first calls in fresh processes; the first turn fills caches."""
    turns: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for number in range(TURNS + 1):
        for name in names:
            took = _json_of([sys.executable, str(HERE / "first_call.py"), name])
            if number:
                turns[name].append(took)
    return {name: _medians(taken) for name, taken in turns.items()}


def peers(opened: dict[str, Mfcc], clips: list[Path]) -> dict[str, dict[str, Any]]:
    """Time the MFCC of other libraries beside ours, and compare them with librosa's."""
    padded = np.pad(SIGNAL, 1024)
    extract = FeatureExtractor(FeatureConfig(descriptors=("mfcc",)))
    times = in_turns(
        {
            OURS: lambda: extract(SIGNAL),
            LIBROSA: lambda: librosa.feature.mfcc(y=SIGNAL, sr=RATE),
            **{name: partial(mfcc, padded) for name, mfcc in opened.items()},
        },
        ROUNDS,
    )
    signals = [audio.load(clip, RATE, offset_s=0.6, duration_s=2.5) for clip in clips] or [SIGNAL]
    expected = np.concatenate([librosa.feature.mfcc(y=y, sr=RATE).T for y in signals])
    found: dict[str, list[NDArray[Any]]] = {OURS: [extract(y) for y in signals]}
    for name, mfcc in opened.items():
        found[name] = [mfcc(np.pad(y, 1024))[: 1 + len(y) // 512] for y in signals]
    return {
        name: {
            **spread(seconds),
            "librosa_over_it": times_as_fast(seconds, times[LIBROSA]),
            "version": version(name),
            "computes": PEERS[name].computes if name in PEERS else "",
            **(_distance(np.concatenate(found[name]), expected) if name in found else {}),
        }
        for name, seconds in times.items()
    }


def _distance(found: NDArray[Any], expected: NDArray[Any]) -> dict[str, float]:
    error = np.abs(found - expected)
    columns = range(expected.shape[1])
    correlation = [np.corrcoef(found[:, i], expected[:, i])[0, 1] for i in columns]
    return {
        "median_difference": float(np.median(error)),
        "p99_difference": float(np.percentile(error, 99)),
        "largest_difference": float(error.max()),
        "correlation": float(np.median(correlation)),
    }


def _ours_of_file(path: str) -> float:
    samples = audio.load(path, RATE)
    EXTRACT(samples)
    return len(samples) / RATE


def _librosas_of_file(path: str) -> float:
    y, _ = librosa.load(path, sr=RATE)
    librosa.feature.zero_crossing_rate(y)
    librosa.feature.rms(y=y)
    librosa.feature.mfcc(y=y, sr=RATE)
    return len(y) / RATE


def throughput(clips: list[Path]) -> list[dict[str, Any]]:
    """Read files and compute their features in pools of processes that take turns [wall time]."""
    paths = [str(clip) for clip in clips]
    ways: dict[tuple[str, int], tuple[ProcessPoolExecutor, Callable[[str], float]]] = {}
    of_files = {OURS: _ours_of_file, LIBROSA: _librosas_of_file}
    for n_processes in (1, 2):
        for name, of_file in of_files.items():
            pool = ProcessPoolExecutor(n_processes, get_context("spawn"))
            sound_s = sum(pool.map(of_file, paths))  # warm, and all processes begun
            ways[name, n_processes] = pool, of_file
    wall_s: dict[tuple[str, int], list[float]] = {way: [] for way in ways}
    for _ in range(TURNS):
        for way, (pool, task) in ways.items():
            began = time.perf_counter()
            list(pool.map(task, paths, chunksize=5))
            wall_s[way].append(time.perf_counter() - began)
    for pool, _ in ways.values():
        pool.shutdown()
    return [
        {
            "way": name,
            "processes": n_processes,
            "clips_per_s": len(paths) / median(times),
            "times_real_time": sound_s / median(times),
        }
        for (name, n_processes), times in wall_s.items()
    ]


def main() -> None:
    """Measure and write the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add_corpora(parser)
    arguments = parser.parse_args()
    opened, missing = {}, []
    for name, peer in PEERS.items():
        if find_spec(name.replace("-", "_")) is None:
            print(f"{name}: left out, not installed; see benchmarks/peers.txt", file=sys.stderr)
            missing.append(name)
        else:
            opened[name] = peer.open()
    clips = draw(arguments.corpora, max(N_DISTANCE, N_THROUGHPUT))
    if not clips:
        print(f"{arguments.corpora}: holds no corpora; no throughput", file=sys.stderr)
    found = {
        "numpy": numpys(),
        "stages_ms": stages(),
        "cold": cold([OURS, LIBROSA, *opened]),
        "peers": peers(opened, clips[:N_DISTANCE]),
        "peers_missing": missing,
        "peers_heard": f"{len(clips[:N_DISTANCE])} real clips" if clips else "noise",
        "throughput": throughput(clips[:N_THROUGHPUT]) if clips else [],
    }
    print(record.write("features", found))


if __name__ == "__main__":
    main()
