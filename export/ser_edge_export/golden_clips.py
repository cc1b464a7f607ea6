"""Golden clips: inputs and expected outputs of every stage, for ports and ``ser-edge verify``.

The clips are synthetic, so that a bundle contains no recording.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge.audio import as_signal
from ser_edge.bundle import Bundle
from ser_edge.features import FeatureConfig
from ser_edge.features.descriptors import Bands, to_decibels
from ser_edge.features.frames import Framing
from ser_edge.features.mel import band_groups, dct_matrix, mel_bands
from ser_edge.frontend import Frontend, InputConfig
from ser_edge.prediction import softmax
from ser_edge.window import cut_window
from ser_edge_train.variant_comparison import run_model_file, runnable_variants

Arrays = dict[str, NDArray[Any]]


def golden_clips(config: InputConfig) -> list[NDArray[np.int16]]:
    """Synthesise three int16 clips of half a window, one window and 1.3 windows.

    Each is a gliding voice-like tone with syllables and some noise, in 8-bit steps, which compress
    better.
    """
    sample_rate, window_s = config.features.sample_rate, config.window.duration_s
    rng = np.random.default_rng(0)
    clips = []
    for pitch, duration_s in ((120, 0.5 * window_s), (210, window_s), (160, 1.3 * window_s)):
        time = np.arange(round(duration_s * sample_rate)) / sample_rate
        f0 = pitch * (1 + 0.2 * np.sin(2 * np.pi * 0.7 * time))
        phase = 2 * np.pi * np.cumsum(f0) / sample_rate
        voice = sum(np.sin(k * phase) / k**1.5 for k in range(1, 20))
        syllables = np.sin(2 * np.pi * 2 * time) ** 2
        signal = 0.2 * syllables * voice + 0.003 * rng.standard_normal(len(time))
        clips.append((256 * np.round(127 * np.clip(signal, -1, 1))).astype(np.int16))
    return clips


def save_golden(
    path: Path,
    clips: list[NDArray[np.int16]],
    logits: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    bundle: Bundle,
) -> str:
    """Write ``golden.npz``, the results of every stage, and return its sha256.

    `logits` runs the float32 network on inputs [shape=(n, *input_shape)]; each model file of the
    bundle runs in the first usable interpreter. docs/porting.md lists the arrays.

    Raises
    ------
    BackendError
        If an interpreter fails on a file.
    """
    config, temperature = bundle.manifest.input, bundle.manifest.temperature
    frontend = Frontend(config.features, config.window)
    arrays: Arrays = {}
    inputs, windows = [], []
    for number, clip in enumerate(clips):
        samples = as_signal(clip)
        features, starts = frontend(samples)
        inputs.append(config.network_inputs(features))
        windows.append([cut_window(samples, s, frontend.window_samples) for s in starts])
        outputs = logits(inputs[-1])
        stages = {
            "samples": clip,
            "starts": starts,
            "features": features,
            "inputs": inputs[-1],
            "logits": outputs,
            "probabilities": softmax(outputs / temperature).mean(axis=0),
        }
        arrays |= {f"clip{number}_{name}": values for name, values in stages.items()}
    arrays |= _stages(np.asarray(windows[0][0]), config.features)
    arrays |= _outputs(bundle, inputs, [np.stack(cut) for cut in windows])
    # In C order, which `ser_edge.npy` and ports expect.
    np.savez_compressed(path, **{k: np.ascontiguousarray(v) for k, v in arrays.items()})
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _stages(window: NDArray[np.float32], config: FeatureConfig) -> Arrays:
    """Compute the stages between a window's samples and its features, by the runtime's code."""
    n_frames = config.n_frames(len(window))
    chosen = sorted({0, n_frames // 2, n_frames - 1})
    framing = Framing(config.sample_rate, config.n_fft, config.hop_length, config.padding)
    fmin, fmax = config.mel_range
    weights = mel_bands(
        config.sample_rate, config.n_fft, n_mels=config.n_mels, fmin=fmin, fmax=fmax
    )
    frames = np.empty((len(chosen), config.n_fft), np.float32)
    power = np.empty((len(chosen), 1 + config.n_fft // 2), np.float32)
    mel = np.empty((n_frames, config.n_mels), np.float32)
    for rows, piece in framing.pieces(window, n_frames):
        for place, row in enumerate(chosen):
            if rows.start <= row < rows.stop:
                frames[place] = piece.cut(piece.samples)[row - rows.start]
                power[place] = piece.power[row - rows.start]
        for bands, bins, matrix in band_groups(weights):
            mel[rows, bands] = piece.power[:, bins] @ matrix
    decibels = to_decibels(mel.copy())
    whole = Bands(decibels, decibels.max(), dct_matrix(config.n_mfcc, config.n_mels))
    return {
        "stage_rows": np.array(chosen, np.int64),
        "stage_frames": frames,
        "stage_hann": framing.window.astype(np.float32),
        "stage_power": power,
        "stage_mel": mel,
        "stage_decibels": whole.decibels,
        "stage_mfcc": whole.mfcc.astype(np.float32),
    }


def _outputs(
    bundle: Bundle, inputs: list[NDArray[np.float32]], windows: list[NDArray[np.float32]]
) -> Arrays:
    """Run each model file in the first usable interpreter."""
    arrays: Arrays = {}
    ends = np.cumsum([len(clip) for clip in inputs])[:-1]
    done = set()
    for backend, model in runnable_variants(bundle.manifest.models):
        if model.file in done:
            continue
        done.add(model.file)
        model_inputs = np.concatenate(windows if model.input_kind == "audio" else inputs)
        outputs, _ = run_model_file(bundle.folder / model.file, backend, model_inputs)
        for number, clip in enumerate(np.split(outputs, ends)):
            arrays[f"clip{number}_output_{model.file}"] = clip
    return arrays
