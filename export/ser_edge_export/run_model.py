"""The trained model of a run folder, which ``ser-edge train`` wrote."""

from __future__ import annotations

import csv
import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge_export.trained_model import TrainedModel
from ser_edge_export.window_audio import window_samples
from ser_edge_train.run import Run
from ser_edge_train.summary import Summary


def trained_model_of_run(
    run_folder: str | os.PathLike[str], *, licence: str | None = None, **onnx_options: bool
) -> TrainedModel:
    """Read a run for export.

    Parameters
    ----------
    run_folder : path
        Folder that ``ser-edge train`` wrote.
    licence : str, optional
        Terms of the weights, instead of those of the training corpora.
    **onnx_options : bool
        ``unsigned`` and ``reduce_range``; see `ser_edge_export.onnx_writer.Int8`.

    Returns
    -------
    model : TrainedModel

    Raises
    ------
    SerEdgeError
        If the run cannot be used.
    """
    run = Run.open(run_folder)
    settings, about = run.settings, dict(run.settings.about)
    # After the check of the run: TensorFlow takes seconds to import.
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
    return TrainedModel(
        name=settings.name,
        network=KerasNetwork(run.network(), settings.name, **onnx_options),
        labels=settings.labels,
        input=settings.input,
        temperature=settings.temperature,
        speakers=settings.speakers,
        calibration=run.calibration_inputs(),
        validation=run.held_out("validation"),
        test=test,
        samples=partial(_samples, run, len(test.features)),
        about=about,
    )


def _licence(corpora: dict[str, dict[str, Any]]) -> str:
    terms = {c["licence"] for c in corpora.values() if c["trained_on"]}
    return f"the weights carry the terms of the corpora: {'; '.join(sorted(terms))}"


def _samples(run: Run, n_windows: int) -> NDArray[np.float32]:
    path = run.folder / "split.csv"
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["part"] == "test"]
    recordings = [(Path(row["path"]), row["sha256"]) for row in rows]
    return window_samples(recordings, run.settings.input, n_windows)
