"""The samples of test windows, from the recordings: what a file that takes samples is proved on."""

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


def window_samples(
    recordings: Sequence[tuple[Path, str]], config: InputConfig, n_windows: int
) -> NDArray[np.float32]:
    """Read recordings and cut their windows.

    Parameters
    ----------
    recordings : sequence of (Path, str)
        Where each lies, and its sha256.
    config : InputConfig
        Gives the rate and the windows.
    n_windows : int
        How many there should be.

    Returns
    -------
    samples : np.ndarray [shape=(n_windows, n_samples), dtype=float32]

    Raises
    ------
    SerEdgeError
        If a recording is not where it was or not what it was, or if altered copies, which are not
        kept, were tested on too.
    """
    frontend = Frontend(config.features, config.window)
    windows: list[NDArray[np.float32]] = []
    for path, sha256 in tracked(recordings, "recordings of the test clips", len(recordings)):
        try:
            content = path.read_bytes()
        except OSError as error:
            raise SerEdgeError(
                f"{path}: cannot be read ({error.strerror}); --audio is proved on the recordings "
                "that were tested on, put them back where they were"
            ) from None
        if hashlib.sha256(content).hexdigest() != sha256:
            raise SerEdgeError(
                f"{path}: is not the recording that was tested on; --audio is proved on those, put "
                "it back"
            )
        samples = audio.load(content, config.features.sample_rate)
        windows += [
            cut_window(samples, start, frontend.window_samples)
            for start in frontend.starts(samples)
        ]
    if len(windows) != n_windows:
        raise SerEdgeError(
            f"the test clips have {n_windows} windows, of which {len(windows)} are of recordings "
            "and the others of altered copies; --audio needs a run of another protocol"
        )
    return np.stack(windows)
