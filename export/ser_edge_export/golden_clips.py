"""Golden clips: what goes in and what must come out, for ports and for a look at a device.

The clips are synthetic, so that a bundle holds nobody's voice and no corpus' audio.
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
from ser_edge_train.variant_comparison import run_apart, runnable_variants

Arrays = dict[str, NDArray[Any]]


def golden_clips(config: InputConfig) -> list[NDArray[np.int16]]:
    """Synthesise a clip shorter than the window, one as long and one that needs several.

    Parameters
    ----------
    config : InputConfig
        Gives the sample rate and the window.

    Returns
    -------
    clips : list of np.ndarray [shape=(n,), dtype=int16]
        A gliding voice-like tone with syllables and some noise, in steps of 8 bits, of which half
        the bytes are zeros and need no space.
    """
    rate, window_s = config.features.sample_rate, config.window.duration_s
    rng = np.random.default_rng(0)
    clips = []
    for pitch, duration_s in ((120, 0.5 * window_s), (210, window_s), (160, 1.3 * window_s)):
        time = np.arange(round(duration_s * rate)) / rate
        f0 = pitch * (1 + 0.2 * np.sin(2 * np.pi * 0.7 * time))
        phase = 2 * np.pi * np.cumsum(f0) / rate
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
    """Write ``golden.npz``: what every stage makes of some clips; docs/porting.md lists its arrays.

    Parameters
    ----------
    path : Path
        The file to write.
    clips : list of np.ndarray [shape=(n,), dtype=int16]
        At the features' sample rate.
    logits : callable
        From inputs [shape=(n, *input_shape)] to the source network's logits [shape=(n, n_labels)].
    bundle : Bundle
        Its model files are run too, each by the first interpreter here that can read it.

    Returns
    -------
    sha256 : str
        Digest of the file, for the manifest.

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
        said = logits(inputs[-1])
        stages = {
            "samples": clip,
            "starts": starts,
            "features": features,
            "inputs": inputs[-1],
            "logits": said,
            "probabilities": softmax(said / temperature).mean(axis=0),
        }
        arrays |= {f"clip{number}_{name}": values for name, values in stages.items()}
    arrays |= _stages(np.asarray(windows[0][0]), config.features)
    arrays |= _answers(bundle, inputs, [np.stack(some) for some in windows])
    # Row by row, as `ser_edge.npy` and other languages read them.
    np.savez_compressed(path, **{k: np.ascontiguousarray(v) for k, v in arrays.items()})
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _stages(window: NDArray[np.float32], config: FeatureConfig) -> Arrays:
    """Return what lies between a window's samples and its features, by the runtime's own code."""
    n_frames = config.n_frames(len(window))
    picked = sorted({0, n_frames // 2, n_frames - 1})
    framing = Framing(config.sample_rate, config.n_fft, config.hop_length, config.padding)
    fmin, fmax = config.mel_range
    weights = mel_bands(
        config.sample_rate, config.n_fft, n_mels=config.n_mels, fmin=fmin, fmax=fmax
    )
    frames = np.empty((len(picked), config.n_fft), np.float32)
    power = np.empty((len(picked), 1 + config.n_fft // 2), np.float32)
    mel = np.empty((n_frames, config.n_mels), np.float32)
    for rows, piece in framing.pieces(window, n_frames):
        for place, row in enumerate(picked):
            if rows.start <= row < rows.stop:
                frames[place] = piece.cut(piece.samples)[row - rows.start]
                power[place] = piece.power[row - rows.start]
        for bands, bins, matrix in band_groups(weights):
            mel[rows, bands] = piece.power[:, bins] @ matrix
    decibels = to_decibels(mel.copy())
    whole = Bands(decibels, decibels.max(), dct_matrix(config.n_mfcc, config.n_mels))
    return {
        "stage_rows": np.array(picked, np.int64),
        "stage_frames": frames,
        "stage_hann": framing.window.astype(np.float32),
        "stage_power": power,
        "stage_mel": mel,
        "stage_decibels": whole.decibels,
        "stage_mfcc": whole.mfcc.astype(np.float32),
    }


def _answers(
    bundle: Bundle, inputs: list[NDArray[np.float32]], windows: list[NDArray[np.float32]]
) -> Arrays:
    """Return what each model file answers, in the first interpreter that works here."""
    arrays: Arrays = {}
    ends = np.cumsum([len(some) for some in inputs])[:-1]
    seen = set()
    for backend, model in runnable_variants(bundle.manifest.models):
        if model.file in seen:
            continue
        seen.add(model.file)
        given = np.concatenate(windows if model.input_kind == "audio" else inputs)
        answer, _ = run_apart(bundle.folder / model.file, backend, given)
        for number, of_clip in enumerate(np.split(answer, ends)):
            arrays[f"clip{number}_answer_{model.file}"] = of_clip
    return arrays
