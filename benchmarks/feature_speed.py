"""How fast are the features, compared with librosa's and with other libraries' MFCC?

python benchmarks/feature_speed.py [--corpora speech]

writes ``results/feature_speed.json``; one thread, in turns: 2.5 s warm with NumPy 1 and 2 (the one
that is not installed goes into ``build/other-numpy``), by stage, the first call of a process, other
libraries (``benchmarks/peers.txt``), and files of a corpus in one and two processes.
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
from contextlib import ExitStack
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
import scipy.fft
from numpy.typing import NDArray

from measuring import results
from measuring.feature_calls import EXTRACT, LIBROSA, OURS, SAMPLE_RATE, SIGNAL, librosa_features
from measuring.peers import PEERS, Mfcc
from measuring.speech import add_corpora_option, sample_clips
from measuring.turns import in_turns, median_ratio, quartiles_ms
from ser_edge import FeatureConfig, FeatureExtractor, audio
from ser_edge.features.descriptors import rms, to_decibels, zcr
from ser_edge.features.frames import Framing
from ser_edge.features.mel import band_groups, dct_matrix, mel_bands
from ser_edge.isolated import run_isolated

ROUNDS, TURNS = 60, 5
N_DISTANCE, N_THROUGHPUT = 60, 100


def numpy_generations() -> dict[str, Any]:
    """Time features with NumPy 1 and 2, in processes that take turns."""
    pythons, missing = [sys.executable], None
    try:
        pythons.append(str(_other_numpy()))
    except (OSError, subprocess.CalledProcessError) as error:
        reason = (getattr(error, "stderr", None) or str(error)).strip()
        missing = reason.splitlines()[-1]
        print(f"the other generation of NumPy: left out, {reason}", file=sys.stderr)
    turns: list[list[dict[str, Any]]] = [[] for _ in pythons]
    for _ in range(TURNS):
        for python, taken in zip(pythons, turns, strict=True):
            taken.append(_feature_calls(python))
    return {"generations": [_medians(taken) for taken in turns], "missing": missing}


def _other_numpy() -> Path:
    """Return the Python of an environment with librosa and the other NumPy; make it if needed."""
    folder = results.ROOT / "build" / "other-numpy"
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    if (folder / "made").is_file():
        return python
    other = "numpy>=2" if np.__version__.startswith("1.") else "numpy<2"
    pinned = (results.ROOT / "constraints.txt").read_text("utf-8").splitlines()
    run = partial(subprocess.run, check=True, capture_output=True, text=True)
    uv = [sys.executable, "-m", "uv"]
    run([*uv, "venv", "--clear", "--python", sys.executable, str(folder)])
    with TemporaryDirectory() as scratch:
        constraints = Path(scratch, "constraints.txt")
        constraints.write_text("\n".join(p for p in pinned if not p.startswith("numpy==")), "utf-8")
        into = ["--python", str(python), "--constraint", str(constraints)]
        run([*uv, "pip", "install", *into, other, "librosa"])
    (folder / "made").touch()
    return python


def _feature_calls(python: str) -> dict[str, Any]:
    path = os.pathsep.join([str(results.ROOT), str(results.ROOT / "benchmarks")])
    command = [python, "-m", "measuring.feature_calls", "--rounds", str(ROUNDS)]
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} exited with {done.returncode}:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _medians(turns: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the median of each number in results of the same layout."""
    found: dict[str, Any] = {}
    for name, value in turns[0].items():
        values = [turn[name] for turn in turns]
        if isinstance(value, str):
            found[name] = value
        else:
            found[name] = _medians(values) if isinstance(value, dict) else median(values)
    return found


def stages() -> dict[str, dict[str, float]]:
    """Time each stage of the features, ours and librosa's [ms]."""
    config = EXTRACT.config
    framing = Framing(SAMPLE_RATE, config.n_fft, config.hop_length, config.padding)
    weights = mel_bands(
        SAMPLE_RATE, config.n_fft, n_mels=config.n_mels, fmin=0, fmax=SAMPLE_RATE / 2
    )
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
        "mel bands": (
            our_mel,
            lambda: librosa.feature.melspectrogram(S=their_power, sr=SAMPLE_RATE),
        ),
        "decibels": (our_decibels, lambda: librosa.power_to_db(their_mel)),
        "DCT": (
            lambda: decibels @ dct,
            lambda: scipy.fft.dct(their_decibels, axis=0, norm="ortho")[:20],
        ),
    }
    libraries = (OURS, LIBROSA)
    times = in_turns(
        {
            (library, stage): call
            for stage, pair in pairs.items()
            for library, call in zip(libraries, pair, strict=True)
        },
        ROUNDS,
    )
    return {
        library: {stage: quartiles_ms(times[library, stage])["ms"] for stage in pairs}
        for library in libraries
    }


def first_calls(names: list[str]) -> dict[str, dict[str, float]]:
    """Time imports and first calls in fresh processes; the first turn fills caches."""
    turns: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for number in range(TURNS + 1):
        for name in names:
            outcome = run_isolated("numpy", "measuring.peers:first_call", [name], timeout_s=300)
            if outcome.state != "works":
                sys.exit(f"{name}: {outcome.problem}")
            if number:
                turns[name].append(
                    {key: outcome.found[key] for key in ("import_s", "first_s", "tenth_s")}
                )
    return {name: _medians(taken) for name, taken in turns.items()}


def peers(opened: dict[str, Mfcc], clips: list[Path]) -> dict[str, dict[str, Any]]:
    """Time the MFCC of all libraries, and compare them with librosa's."""
    padded = np.pad(SIGNAL, 1024)
    extract = FeatureExtractor(FeatureConfig(descriptors=("mfcc",)))
    times = in_turns(
        {
            OURS: lambda: extract(SIGNAL),
            LIBROSA: lambda: librosa.feature.mfcc(y=SIGNAL, sr=SAMPLE_RATE),
            **{name: partial(mfcc, padded) for name, mfcc in opened.items()},
        },
        ROUNDS,
    )
    signals = [audio.load(clip, SAMPLE_RATE, offset_s=0.6, duration_s=2.5) for clip in clips]
    signals = signals or [SIGNAL]
    expected = np.concatenate([librosa.feature.mfcc(y=y, sr=SAMPLE_RATE).T for y in signals])
    found: dict[str, list[NDArray[Any]]] = {OURS: [extract(y) for y in signals]}
    for name, mfcc in opened.items():
        found[name] = [mfcc(np.pad(y, 1024))[: 1 + len(y) // 512] for y in signals]
    return {
        name: {
            **quartiles_ms(seconds),
            "librosa_over_it": median_ratio(times[LIBROSA], seconds),
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


def _our_file_features(path: str) -> float:
    samples = audio.load(path, SAMPLE_RATE)
    EXTRACT(samples)
    return len(samples) / SAMPLE_RATE


def _librosa_file_features(path: str) -> float:
    y, _ = librosa.load(path, sr=SAMPLE_RATE)
    librosa_features(y)
    return len(y) / SAMPLE_RATE


def throughput(clips: list[Path]) -> list[dict[str, Any]]:
    """Read files and compute their features in pools of processes [wall-clock time]."""
    paths = [str(clip) for clip in clips]
    calls: dict[tuple[str, int], Callable[[], object]] = {}
    with ExitStack() as stack:
        for n_processes in (1, 2):
            for library, task in ((OURS, _our_file_features), (LIBROSA, _librosa_file_features)):
                pool = stack.enter_context(ProcessPoolExecutor(n_processes, get_context("spawn")))
                sound_s = sum(pool.map(task, paths))
                calls[library, n_processes] = lambda pool=pool, task=task: list(  # type: ignore[misc]
                    pool.map(task, paths, chunksize=5)
                )
        wall_s = in_turns(calls, TURNS, time.perf_counter)
    return [
        {
            "library": library,
            "processes": n_processes,
            "clips_per_s": len(paths) / median(times),
            "times_real_time": sound_s / median(times),
        }
        for (library, n_processes), times in wall_s.items()
    ]


def main() -> None:
    """Measure and write the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add_corpora_option(parser)
    arguments = parser.parse_args()
    opened, missing = {}, []
    for name, peer in PEERS.items():
        if find_spec(name.replace("-", "_")) is None:
            print(f"{name}: left out, not installed; see benchmarks/peers.txt", file=sys.stderr)
            missing.append(name)
        else:
            opened[name] = peer.open()
    clips = sample_clips(arguments.corpora, max(N_DISTANCE, N_THROUGHPUT))
    if not clips:
        print(f"{arguments.corpora}: no corpora found; throughput left out", file=sys.stderr)
    found = {
        "numpy": numpy_generations(),
        "stages_ms": stages(),
        "cold": first_calls([OURS, LIBROSA, *opened]),
        "peers": peers(opened, clips[:N_DISTANCE]),
        "peers_missing": missing,
        "peers_compared_on": f"{len(clips[:N_DISTANCE])} real clips" if clips else "noise",
        "throughput": throughput(clips[:N_THROUGHPUT]) if clips else [],
    }
    print(results.write("feature_speed", found))


if __name__ == "__main__":
    main()
