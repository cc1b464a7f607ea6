"""How far the answers of two machines are apart, and how far they may be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge.prediction import softmax

MOST_FEATURES = 1e-4
MOST_FLOAT = 1e-3


@dataclass(frozen=True)
class Difference:
    """One form of one bundle in one interpreter, on both machines.

    Attributes
    ----------
    bundle, form : str
        ``form`` is ``"features"``, or interpreter and precision.
    n_clips, n_windows : int
        How many were compared.
    largest : float
        Of features or of probabilities, over all windows.
    steps : float, optional
        Of an int8 form: largest difference of logits, in steps of the quantised output, or of what
        that would be if the last layer were not in float32.
    others : int
        Clips with another label.
    fits : bool
        Whether that is as near as it has to be.
    """

    bundle: str
    form: str
    n_clips: int
    n_windows: int
    largest: float
    steps: float | None
    others: int
    fits: bool


def differences(
    here: Mapping[str, NDArray[Any]], there: Mapping[str, NDArray[Any]]
) -> Iterator[Difference]:
    """Compare what ``answers.py`` wrote on two machines, as far as both have it."""
    for name in sorted({key.partition("/")[0] for key in there}):
        clips = here[f"{name}/clips"]
        counts = int(clips[-1]) + 1, len(clips)
        features = [
            values[f"{name}/features"] / np.maximum(1, np.abs(here[f"{name}/features"]) / 1000)
            for values in (here, there)
        ]
        largest = _largest(*features)
        yield Difference(name, "features", *counts, largest, None, 0, fits=largest <= MOST_FEATURES)
        temperature = float(here[f"{name}/temperature"])
        for key in sorted(set(here) & set(there)):
            bundle, _, form = key.partition("/")
            if bundle != name or " " not in form:
                continue
            logits = here[key].astype(np.float64), there[key].astype(np.float64)
            of_windows = [softmax(values / temperature) for values in logits]
            largest = _largest(*of_windows)
            labels = [_labels(values, clips) for values in of_windows]
            others = int(np.count_nonzero(labels[0] != labels[1]))
            step = _step(logits[0]) if form.endswith("int8") else None
            steps = None if step is None else _largest(*logits) / step
            near = largest <= MOST_FLOAT or (steps is not None and steps < 1.01)
            yield Difference(name, form, *counts, largest, steps, others, fits=near and not others)


def _largest(here: NDArray[Any], there: NDArray[Any]) -> float:
    return float(np.abs(here - there).max())


def _labels(probabilities: NDArray[np.float64], clips: NDArray[np.int64]) -> NDArray[np.int64]:
    sums = np.zeros((clips[-1] + 1, probabilities.shape[1]))
    np.add.at(sums, clips, probabilities)
    return np.asarray(sums.argmax(axis=1))


def _step(logits: NDArray[np.float64]) -> float:
    """Find one step of int8: of the grid that all lie on, or, of floats, 1/255 of their span."""
    gaps = np.diff(np.unique(logits))
    step = float(gaps[gaps > 1e-6].min(initial=np.inf))
    steps = logits / step
    return step if np.abs(steps - np.round(steps)).max() < 1e-2 else float(np.ptp(logits)) / 255
