"""Compare the outputs of two machines with the allowed differences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge.prediction import softmax

MAX_FEATURES = 1e-4
MAX_FLOAT = 1e-3


@dataclass(frozen=True)
class Difference:
    """One variant of one bundle in one interpreter, on both machines.

    Attributes
    ----------
    bundle, variant : str
        ``variant`` is ``"features"``, or interpreter and precision.
    n_clips, n_windows : int
        Number of clips and windows compared.
    largest : float
        Largest difference of features or probabilities, over all windows.
    steps : float, optional
        Largest difference of an int8 variant's logits, in steps of the quantised output. If the
        last layer is float32, in steps that int8 would have.
    others : int
        Clips with another label.
    fits : bool
        Whether it is within the allowed difference.
    """

    bundle: str
    variant: str
    n_clips: int
    n_windows: int
    largest: float
    steps: float | None
    others: int
    fits: bool


def differences(
    here: Mapping[str, NDArray[Any]], there: Mapping[str, NDArray[Any]]
) -> Iterator[Difference]:
    """Compare the arrays that ``outputs.py`` wrote on two machines, if both have them."""
    for name in sorted({key.partition("/")[0] for key in there}):
        clips = here[f"{name}/clips"]
        counts = int(clips[-1]) + 1, len(clips)
        features = [
            values[f"{name}/features"] / np.maximum(1, np.abs(here[f"{name}/features"]) / 1000)
            for values in (here, there)
        ]
        largest = _largest(*features)
        yield Difference(name, "features", *counts, largest, None, 0, fits=largest <= MAX_FEATURES)
        temperature = float(here[f"{name}/temperature"])
        for key in sorted(set(here) & set(there)):
            bundle, _, variant = key.partition("/")
            if bundle != name or " " not in variant:
                continue
            logits = here[key].astype(np.float64), there[key].astype(np.float64)
            of_windows = [softmax(values / temperature) for values in logits]
            largest = _largest(*of_windows)
            labels = [_labels(values, clips) for values in of_windows]
            others = int(np.count_nonzero(labels[0] != labels[1]))
            step = _step(logits[0]) if variant.endswith("int8") else None
            steps = None if step is None else _largest(*logits) / step
            near = largest <= MAX_FLOAT or (steps is not None and steps < 1.01)
            yield Difference(
                name, variant, *counts, largest, steps, others, fits=near and not others
            )


def _largest(here: NDArray[Any], there: NDArray[Any]) -> float:
    return float(np.abs(here - there).max())


def _labels(probabilities: NDArray[np.float64], clips: NDArray[np.int64]) -> NDArray[np.int64]:
    sums = np.zeros((clips[-1] + 1, probabilities.shape[1]))
    np.add.at(sums, clips, probabilities)
    return np.asarray(sums.argmax(axis=1))


def _step(logits: NDArray[np.float64]) -> float:
    """Return the quantisation step: of the logits' grid, or 1/255 of the range of float logits."""
    gaps = np.diff(np.unique(logits))
    step = float(gaps[gaps > 1e-6].min(initial=np.inf))
    steps = logits / step
    return step if np.abs(steps - np.round(steps)).max() < 1e-2 else float(np.ptp(logits)) / 255
