"""A run folder as a source: the network that `ser-edge train` left, and its held-out clips."""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge import audio
from ser_edge.errors import SerEdgeError
from ser_edge.frontend import Frontend, InputConfig
from ser_edge.window import cut_window
from ser_edge_export.source import Source
from ser_edge_train.progress import tracked
from ser_edge_train.run import Run


def run_source(run_folder: str | os.PathLike[str], **onnx_options: bool) -> Source:
    """Read a run as what is to be exported.

    Parameters
    ----------
    run_folder : path
        What ``ser-edge train`` wrote.
    **onnx_options : bool
        As `ser_edge_export.keras_network.KerasNetwork` takes them.

    Returns
    -------
    source : Source

    Raises
    ------
    SerEdgeError
        If the run cannot be used.
    """
    run = Run.open(run_folder)
    settings, about = run.settings, dict(run.settings.about)
    # TensorFlow takes seconds to import: not before the run is known to be good.
    from ser_edge_export.keras_network import KerasNetwork

    del about["training_speakers"]
    test = run.held_out("test")
    return Source(
        settings.name,
        KerasNetwork(run.network(), **onnx_options),
        settings.labels,
        settings.input,
        settings.temperature,
        run.calibration_inputs(),
        run.held_out("validation"),
        test,
        partial(test_samples, run.folder, settings.input, len(test.features)),
        about | {"recipe": settings.recipe.to_dict(), "licence": _licence(about["corpora"])},
    )


def _licence(corpora: dict[str, dict[str, Any]]) -> str:
    terms = {c["licence"] for c in corpora.values() if c["trained_on"]}
    return f"the weights carry the terms of the corpora: {'; '.join(sorted(terms))}"


def test_samples(folder: Path, config: InputConfig, n_windows: int) -> NDArray[np.float32]:
    """Read the recordings of a run's test clips, and cut their windows.

    Parameters
    ----------
    folder : Path
        The run folder, whose ``split.csv`` says where they lie and what is in them.
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
        If a recording is not where it was, or not what it was, or altered copies were tested on.
    """
    with (folder / "split.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["part"] == "test"]
    frontend = Frontend(config.features, config.window)
    windows: list[NDArray[np.float32]] = []
    for row in tracked(rows, "recordings of the test clips", len(rows)):
        windows += _windows(Path(row["path"]), row["sha256"], config, frontend)
    if len(windows) != n_windows:
        raise SerEdgeError(
            f"{folder}: was tested on {n_windows} windows, of which {len(windows)} are of "
            "recordings and the others of altered copies; --audio needs a run of another protocol"
        )
    return np.stack(windows)


def _windows(
    path: Path, sha256: str, config: InputConfig, frontend: Frontend
) -> Sequence[NDArray[np.float32]]:
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise SerEdgeError(
            f"{path}: cannot be read ({error.strerror}); --audio is proved on the recordings that "
            "the run was tested on, put them back where they were"
        ) from None
    if found != sha256:
        raise SerEdgeError(
            f"{path}: is not the recording that the run was tested on; --audio is proved on those, "
            "put it back"
        )
    samples = audio.load(path, config.features.sample_rate)
    starts = frontend.starts(samples)
    return [cut_window(samples, start, frontend.window_samples) for start in starts]
