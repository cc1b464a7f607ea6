"""What a model file answers here, held against what it answered where it was exported."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from ser_edge.backends import INTERPRETERS
from ser_edge.bundle import GOLDEN, Bundle
from ser_edge.manifest import ModelFile
from ser_edge.prediction import softmax
from ser_edge.verify.checks import ModelCheck
from ser_edge.verify.golden import GoldenClip
from ser_edge.verify.model_outputs import ModelOutput

TOLERANCES = {"float32": 1e-3, "float16": 1e-2, "dynamic": 0.1, "int8": 0.1, "int8-io": 0.1}
"""How far a probability may be from the stored one, by precision.

Measured between LiteRT and tflite-runtime on one file: float32 and float16 1e-7; dynamic 0.025,
int8 0.035 and int8-io 0.028, since their kernels round in other places (the edge network, 737
windows of real speech). Some processors multiply float16 in float16.
"""


def compared(
    bundle: Bundle, clips: Sequence[GoldenClip], backend: str, model: ModelFile, answer: ModelOutput
) -> ModelCheck:
    """Judge an answer.

    Parameters
    ----------
    bundle : Bundle
        The exported folder.
    clips : sequence of GoldenClip
        What was asked.
    backend : str
        Who answered.
    model : ModelFile
        With which file.
    answer : ModelOutput
        All clips' windows in a row.

    Returns
    -------
    check : ModelCheck
        Of each window the probabilities are compared, and the label, unless the two labels are a
        tie within the tolerance.
    """
    tolerance = TOLERANCES[model.precision]
    told = partial(ModelCheck, backend, model.file, model.precision, tolerance=tolerance)
    if answer.state != "answers":
        return told(answer.state, None, detail=answer.detail)
    n_windows, labels = sum(len(clip.starts) for clip in clips), bundle.manifest.labels
    values, expected = answer.values, (n_windows, len(labels))
    if values.shape != expected or not np.isfinite(values).all():
        finite = np.isfinite(values).sum()
        detail = f"gives {values.shape} numbers, {finite} of them finite; expected {expected}"
        return told("fails", None, detail=f"{detail}, export the bundle again")
    if not all(model.file in clip.answers for clip in clips):
        detail = f"{GOLDEN} has no answer of it to compare with"
        return told("fails", None, detail=f"{detail}; export again where {backend} is installed")
    stored = np.concatenate([clip.answers[model.file] for clip in clips]).astype(np.float64)
    if model.input_kind != "audio":
        values = softmax(values / bundle.manifest.temperature)
        stored = softmax(stored / bundle.manifest.temperature)
    deviation = float(np.abs(values - stored).max())
    package = INTERPRETERS[backend].distribution
    remedy = f"choose another --backend, or pip install --upgrade {package}"
    if not deviation <= tolerance:
        detail = f"up to {deviation:.2g} from the stored, expected at most {tolerance:g}; {remedy}"
        # JSON has no NaN, which a stored answer that is none would bring.
        return told("deviates", deviation if np.isfinite(deviation) else None, detail=detail)
    rows, now, then = np.arange(n_windows), values.argmax(axis=1), stored.argmax(axis=1)
    (flipped,) = np.nonzero(stored.max(axis=1) - stored[rows, now] > tolerance)
    if len(flipped):
        first = flipped[0]
        detail = f"window {first} is {labels[now[first]]}, expected {labels[then[first]]}"
        return told("deviates", deviation, detail=f"{detail}; {remedy}")
    return told("agrees", deviation)
