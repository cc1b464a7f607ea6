"""Golden clips: what goes in and what must come out, for ports and for a look at a device.

The clips are synthetic, so that a bundle holds nobody's voice and no corpus' audio.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge.audio import as_signal
from ser_edge.bundle import Manifest
from ser_edge.classifier import softmax
from ser_edge.frontend import Frontend, InputConfig


def golden_clips(config: InputConfig) -> list[NDArray[np.int16]]:
    """Synthesise a clip shorter than the window, one as long and one that needs several.

    Parameters
    ----------
    config : InputConfig
        Gives the sample rate and the window.

    Returns
    -------
    clips : list of np.ndarray [shape=(n,), dtype=int16]
        A gliding voice-like tone with syllables and some noise.
    """
    rate, window_s = config.features.sample_rate, config.window.duration_s
    rng = np.random.default_rng(0)
    clips = []
    for pitch, duration_s in ((120, 0.5 * window_s), (210, window_s), (160, 1.7 * window_s)):
        time = np.arange(round(duration_s * rate)) / rate
        f0 = pitch * (1 + 0.2 * np.sin(2 * np.pi * 0.7 * time))
        phase = 2 * np.pi * np.cumsum(f0) / rate
        voice = sum(np.sin(k * phase) / k**1.5 for k in range(1, 20))
        syllables = np.sin(2 * np.pi * 2 * time) ** 2
        signal = 0.2 * syllables * voice + 0.003 * rng.standard_normal(len(time))
        clips.append(np.round(32767 * np.clip(signal, -1, 1)).astype(np.int16))
    return clips


def save_golden(
    path: Path,
    clips: list[NDArray[np.int16]],
    logits_of: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    manifest: Manifest,
) -> None:
    """Write ``golden.npz``: of clip ``i``, what every stage makes of it.

    ==========================  ==============================================================
    ``clip{i}_samples``         int16 PCM at the features' sample rate [shape=(n,)]
    ``clip{i}_starts``          first sample of each window [shape=(n_windows,)]
    ``clip{i}_features``        before standardisation [shape=(n_windows, n_frames, n_columns)]
    ``clip{i}_inputs``          what the network gets [shape=(n_windows, *input_shape)]
    ``clip{i}_logits``          the Keras model's [shape=(n_windows, n_labels)]
    ``clip{i}_probabilities``   after temperature, softmax and mean [shape=(n_labels,)]
    ==========================  ==============================================================
    """
    config = manifest.input
    frontend = Frontend(config.features, config.window)
    arrays: dict[str, NDArray[Any]] = {}
    for number, clip in enumerate(clips):
        features, starts = frontend(as_signal(clip))
        inputs = config.network_inputs(features)
        logits = logits_of(inputs)
        stages = {
            "samples": clip,
            "starts": starts,
            "features": features,
            "inputs": inputs,
            "logits": logits,
            "probabilities": softmax(logits / manifest.temperature).mean(axis=0),
        }
        arrays |= {f"clip{number}_{name}": values for name, values in stages.items()}
    np.savez_compressed(path, **arrays)
