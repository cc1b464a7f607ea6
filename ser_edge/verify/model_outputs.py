"""What the model files of a bundle answer to the golden clips, each interpreter in its own process.

An interpreter that dies or hangs on a file takes its process with it: what was answered before is
kept, and another process goes on with the files that are left.
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
from ser_edge.doctor.examination import ending
from ser_edge.errors import SerEdgeError
from ser_edge.isolated.process import attempt
from ser_edge.manifest import ModelFile
from ser_edge.verify.golden import read_golden


@dataclass(frozen=True)
class ModelOutput:
    """What a model file said to all golden windows, or why it said nothing.

    Attributes
    ----------
    state : {"answers", "fails", "dies", "hangs"}
        Whether it did, raised an error, ended Python or did not come back.
    values : np.ndarray [shape=(n_windows, n_labels)]
        Logits, or the probabilities of a file that takes audio; empty where there are none.
    detail : str
        Why there are none, and what to do.
    """

    state: str
    values: NDArray[np.float64]
    detail: str = ""


def ask(
    bundle: Bundle, backend: str, models: Sequence[ModelFile], *, timeout_s: float
) -> dict[str, ModelOutput]:
    """Run model files on a bundle's golden clips.

    Parameters
    ----------
    bundle : Bundle
        The exported folder.
    backend : str
        A key of `INTERPRETERS`.
    models : sequence of ModelFile
        Files that it can read.
    timeout_s : float > 0
        When to give up on a process [s].

    Returns
    -------
    answers : dict of str to ModelOutput
        By file.

    Raises
    ------
    SerEdgeError
        If no process can be started.
    """
    interpreter = INTERPRETERS[backend]
    answers: dict[str, ModelOutput] = {}
    left = [model.file for model in models]
    while left:
        words = [os.fspath(bundle.folder), backend, *left]
        trial = attempt(interpreter.module, f"{__name__}:answer", words, timeout_s=timeout_s)
        for file, values in trial.found.get("answers", {}).items():
            answers[file] = ModelOutput("answers", np.array(values, np.float64))
        for file, reason in trial.found.get("refusals", {}).items():
            answers[file] = ModelOutput("fails", np.empty(0), reason)
        if trial.state != "works":
            # The file that was begun last is to blame, or, where none was, the interpreter.
            begun = trial.found.get("file")
            detail = "; ".join(filter(None, ending(trial, interpreter.distribution)))
            for file in left if begun is None else [begun]:
                answers[file] = ModelOutput(trial.state, np.empty(0), detail)
        left = [file for file in left if file not in answers]
    return answers


def answer(folder: str, backend: str, *files: str) -> Iterator[dict[str, Any]]:
    """Run model files here; a job for `ser_edge.isolated.process.attempt`."""
    bundle = Bundle.open(folder)
    clips = read_golden(bundle)
    config = bundle.manifest.input
    window_samples = config.window.n_samples(config.features.sample_rate)
    models = {model.file: model for model in bundle.manifest.models}
    answers: dict[str, Any] = {}
    refusals: dict[str, str] = {}
    for file in files:
        yield {"stage": "open", "file": file}
        given = [clip.given(models[file], window_samples) for clip in clips]
        try:
            opened = open_model(bundle.verified(models[file]), backend)
            yield {"stage": "run"}
            answers[file] = opened.run(np.concatenate(given)).tolist()
        except SerEdgeError as error:
            refusals[file] = str(error)
        yield {"answers": answers, "refusals": refusals}
