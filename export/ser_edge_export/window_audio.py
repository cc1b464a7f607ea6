"""Samples of the test windows, for tests of variants with audio input."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ser_edge import audio
from ser_edge.errors import SerEdgeError
from ser_edge.frontend import Frontend, InputConfig
from ser_edge.window import cut_window
from ser_edge_train.progress import tracked

_REMEDY = "put back the test recordings of the run, which --audio needs, or leave out --audio"


def window_samples(
    recordings: Sequence[tuple[Path, str]], config: InputConfig, n_windows: int
) -> NDArray[np.float32]:
    """Read recordings, given by path and sha256, and cut them into windows.

    Returns
    -------
    samples : np.ndarray [shape=(n_windows, n_samples), dtype=float32]

    Raises
    ------
    SerEdgeError
        If a recording is missing or has changed, or if augmented clips, which are not kept, are in
        the test part.
    """
    frontend = Frontend(config.features, config.window)
    windows: list[NDArray[np.float32]] = []
    for path, sha256 in tracked(recordings, "recordings of the test clips", len(recordings)):
        try:
            content = path.read_bytes()
        except OSError as error:
            raise SerEdgeError(f"cannot be read ({error.strerror})", _REMEDY, path) from None
        digest = hashlib.sha256(content).hexdigest()
        if digest != sha256:
            raise SerEdgeError(f"sha256={digest[:12]}…, expected {sha256[:12]}…", _REMEDY, path)
        samples = audio.load(content, config.features.sample_rate)
        windows += [
            cut_window(samples, start, frontend.window_samples)
            for start in frontend.starts(samples)
        ]
    if len(windows) != n_windows:
        raise SerEdgeError(
            f"{len(windows)} of {n_windows} test windows are of recordings, the others augmented",
            "leave out --audio, or train with another --protocol",
        )
    return np.stack(windows)
