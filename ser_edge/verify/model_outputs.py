"""The outputs of a bundle's model files on the golden clips, each interpreter in its own process.

If an interpreter dies or hangs on a file, its earlier outputs are kept and a new process runs the
remaining files.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge.backends import INTERPRETERS, open_model
from ser_edge.bundle import Bundle
from ser_edge.doctor.examination import explain
from ser_edge.errors import SerEdgeError
from ser_edge.isolated import run_isolated
from ser_edge.manifest import ModelFile
from ser_edge.verify.golden import read_golden


@dataclass(frozen=True)
class ModelOutput:
    """Output of a model file on all golden windows, or why there is none.

    Attributes
    ----------
    state : {"works", "fails", "dies", "hangs"}
        As in `ser_edge.isolated.Outcome`.
    values : np.ndarray [shape=(n_windows, n_labels)]
        Logits, or probabilities if the input is audio; empty unless it works.
    problem, remedy : str
        Why it does not work, and what to do.
    """

    state: str
    values: NDArray[np.float64]
    problem: str = ""
    remedy: str = ""


def model_outputs(
    bundle: Bundle, backend: str, models: Sequence[ModelFile], *, timeout_s: float
) -> dict[str, ModelOutput]:
    """Run model files on a bundle's golden clips; return the outputs by file.

    Raises
    ------
    SerEdgeError
        If no process can be started.
    """
    interpreter = INTERPRETERS[backend]
    outputs: dict[str, ModelOutput] = {}
    remaining = [model.file for model in models]
    while remaining:
        arguments = [os.fspath(bundle.folder), backend, *remaining]
        job = f"{__name__}:run_models"
        outcome = run_isolated(interpreter.module, job, arguments, timeout_s=timeout_s)
        for file, values in outcome.found.get("outputs", {}).items():
            outputs[file] = ModelOutput("works", np.array(values, np.float64))
        for file, reason in outcome.found.get("errors", {}).items():
            outputs[file] = ModelOutput("fails", np.empty(0), *reason)
        if outcome.state != "works":
            # The file that was opened last caused it; if none was, the interpreter did.
            file = outcome.found.get("file")
            failed = ModelOutput(
                outcome.state, np.empty(0), *explain(outcome, interpreter.distribution)
            )
            outputs |= dict.fromkeys(remaining if file is None else [file], failed)
        remaining = [file for file in remaining if file not in outputs]
    return outputs


def run_models(folder: str, backend: str, *files: str) -> Iterator[dict[str, Any]]:
    """Run model files on the golden clips; a job for `ser_edge.isolated.run_isolated`."""
    bundle = Bundle.open(folder)
    clips = read_golden(bundle)
    config = bundle.manifest.input
    window_samples = config.window_samples
    models = {model.file: model for model in bundle.manifest.models}
    outputs: dict[str, Any] = {}
    errors: dict[str, tuple[str, str]] = {}
    for file in files:
        yield {"stage": "open", "file": file}
        inputs = [clip.model_inputs(models[file], window_samples) for clip in clips]
        try:
            opened = open_model(bundle.model_bytes(models[file]), backend, bundle.folder / file)
            yield {"stage": "run"}
            outputs[file] = opened.run(np.concatenate(inputs)).tolist()
        except SerEdgeError as error:
            errors[file] = error.problem, error.remedy
        yield {"outputs": outputs, "errors": errors}
