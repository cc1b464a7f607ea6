"""A run folder as a source: the network that `ser-edge train` left, and its held-out clips."""

from __future__ import annotations

import csv
import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge_export.trained_model import Source
from ser_edge_export.window_audio import window_samples
from ser_edge_train.run import Run
from ser_edge_train.summary import Summary


def run_source(
    run_folder: str | os.PathLike[str], *, licence: str | None = None, **onnx_options: bool
) -> Source:
    """Read a run as what is to be exported.

    Parameters
    ----------
    run_folder : path
        What ``ser-edge train`` wrote.
    licence : str, optional
        Terms of the weights, instead of those of the corpora that they were trained on.
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
    figures = Summary.of([run]).to_dict()
    about |= {
        "recipe": settings.recipe.to_dict(),
        "licence": licence or _licence(about["corpora"]),
        "metrics": figures["scores"],
        "calibration_error": figures["calibration_error"],
        "selective_prediction": figures["selective_prediction"],
    }
    return Source(
        settings.name,
        KerasNetwork(run.network(), **onnx_options),
        settings.labels,
        settings.input,
        settings.temperature,
        settings.speakers,
        run.calibration_inputs(),
        run.held_out("validation"),
        test,
        partial(_samples, run, len(test.features)),
        about,
    )


def _licence(corpora: dict[str, dict[str, Any]]) -> str:
    terms = {c["licence"] for c in corpora.values() if c["trained_on"]}
    return f"the weights carry the terms of the corpora: {'; '.join(sorted(terms))}"


def _samples(run: Run, n_windows: int) -> NDArray[np.float32]:
    with (run.folder / "split.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["part"] == "test"]
    recordings = [(Path(row["path"]), row["sha256"]) for row in rows]
    return window_samples(recordings, run.settings.input, n_windows)
