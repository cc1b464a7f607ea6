"""Compare a model file's output with the output that was stored at the export."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from ser_edge.backends import INTERPRETERS
from ser_edge.bundle import GOLDEN, Bundle
from ser_edge.manifest import ModelFile
from ser_edge.prediction import softmax
from ser_edge.verify.golden import GoldenClip
from ser_edge.verify.model_outputs import ModelOutput
from ser_edge.verify.verify_report import ModelCheck

TOLERANCES = {"float32": 1e-3, "float16": 1e-2, "dynamic": 0.1, "int8": 0.1, "int8-io": 0.1}
"""Largest allowed deviation of a probability, by precision.

Measured between LiteRT and tflite-runtime with the same file (the edge network, 737 windows of real
speech): float32 and float16 1e-7, dynamic 0.025, int8 0.035, int8-io 0.028, since their int8
kernels round differently. Some processors multiply float16 in float16.
"""


def compare(
    bundle: Bundle, clips: Sequence[GoldenClip], backend: str, model: ModelFile, output: ModelOutput
) -> ModelCheck:
    """Compare a model file's output on all windows of all clips with the stored output.

    The probabilities of each window are compared, and its label, unless the labels tie within the
    tolerance.
    """
    tolerance = TOLERANCES[model.precision]
    check = partial(ModelCheck, backend, model.file, model.precision, tolerance=tolerance)
    if output.state != "works":
        return check(output.state, None, detail=output.problem, remedy=output.remedy)
    n_windows, labels = sum(len(clip.starts) for clip in clips), bundle.manifest.labels
    values, expected = output.values, (n_windows, len(labels))
    if values.shape != expected or not np.isfinite(values).all():
        detail = (
            f"the output has shape {values.shape} and {np.isfinite(values).sum()} finite numbers, "
            f"expected shape {expected}, all finite"
        )
        return check("fails", None, detail=detail, remedy="export the bundle again")
    if not all(model.file in clip.outputs for clip in clips):
        detail = f"{GOLDEN} has no output of this file to compare with"
        remedy = f"export again on a machine with {backend}"
        return check("fails", None, detail=detail, remedy=remedy)
    stored = np.concatenate([clip.outputs[model.file] for clip in clips]).astype(np.float64)
    if model.input_kind != "audio":
        values = softmax(values / bundle.manifest.temperature)
        stored = softmax(stored / bundle.manifest.temperature)
    deviation = float(np.abs(values - stored).max())
    package = INTERPRETERS[backend].distribution
    remedy = f"choose another --backend, or pip install --upgrade {package}"
    if not deviation <= tolerance:
        detail = f"deviates by {deviation:.2g}, expected at most {tolerance:g}"
        # JSON has no NaN, which is the deviation from a stored NaN.
        finite = deviation if np.isfinite(deviation) else None
        return check("deviates", finite, detail=detail, remedy=remedy)
    rows, now, then = np.arange(n_windows), values.argmax(axis=1), stored.argmax(axis=1)
    (changed,) = np.nonzero(stored.max(axis=1) - stored[rows, now] > tolerance)
    if len(changed):
        first = changed[0]
        detail = f"window {first} is {labels[now[first]]}, expected {labels[then[first]]}"
        return check("deviates", deviation, detail=detail, remedy=remedy)
    return check("agrees", deviation)
