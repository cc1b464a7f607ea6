"""The exported forms of a network, each run by its interpreter and held against the Keras model.

Every interpreter runs in a process of its own: TensorFlow and tflite-runtime cannot share one, and
a crash ends that process only. ``python -m ser_edge_train.forms FOLDER BACKEND FILE`` is that
process: inputs come as ``.npy`` on stdin, logits go to stdout.
"""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge.backends import INTERPRETERS, open_model
from ser_edge.bundle import Bundle, ModelFile
from ser_edge.classifier import softmax
from ser_edge.errors import BackendError
from ser_edge_train.metrics import Scores, average_by_clip, mcnemar, signal_to_noise_db
from ser_edge_train.run import HeldOut


@dataclass(frozen=True)
class FormResult:
    """How one form of the network, in one interpreter, compares with the Keras model.

    Parameters
    ----------
    backend, file, precision : str
        The interpreter, and the model file that it ran.
    size_bytes : int
        Of the file.
    scores : dict of str to Scores
        On the test clips, over all and by corpus.
    ua_change : float
        UA over all clips less the Keras model's.
    agreement : float
        Share of the clips on which both say the same label.
    largest_change : float
        Of any clip's probability of any label.
    mcnemar_p : float in [0, 1]
        Chance of as uneven a split, or a more uneven one, of the clips that only one of the two
        hears rightly, were both equally good (McNemar's exact test).
    snr_db : float or None
        Power of the Keras model's logits over that of the difference [dB]; None where there is no
        difference.
    """

    backend: str
    file: str
    precision: str
    size_bytes: int
    scores: dict[str, Scores]
    ua_change: float
    agreement: float
    largest_change: float
    mcnemar_p: float
    snr_db: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return asdict(self)


def compare_forms(
    bundle: Bundle,
    inputs: NDArray[np.float32],
    test: HeldOut,
    reference: NDArray[np.float32],
) -> Iterator[FormResult]:
    """Run every model file of a bundle in every interpreter that is installed and can read it.

    Parameters
    ----------
    bundle : Bundle
        The exported folder.
    inputs : np.ndarray [shape=(n, *input_shape), dtype=float32]
        Standardised features of the test windows.
    test : HeldOut
        Their clips and the truth.
    reference : np.ndarray [shape=(n, n_labels), dtype=float32]
        The Keras model's logits.

    Yields
    ------
    result : FormResult

    Raises
    ------
    BackendError
        If an interpreter fails on a file.
    """
    labels, temperature = bundle.manifest.labels, bundle.manifest.temperature
    probabilities = softmax(reference / temperature)
    expected = average_by_clip(probabilities, test.clip)
    expected_ua = test.scores(probabilities, labels)["all"].ua
    right = expected.argmax(axis=1) == test.truth
    for backend, model in runnable_forms(bundle):
        logits = run_apart(bundle.folder, backend, model.file, inputs)
        probabilities = softmax(logits / temperature)
        found = average_by_clip(probabilities, test.clip)
        scores = test.scores(probabilities, labels)
        yield FormResult(
            backend=backend,
            file=model.file,
            precision=model.precision,
            size_bytes=model.size_bytes,
            scores=scores,
            ua_change=scores["all"].ua - expected_ua,
            agreement=float((found.argmax(axis=1) == expected.argmax(axis=1)).mean()),
            largest_change=float(np.abs(found - expected).max()),
            mcnemar_p=mcnemar(right, found.argmax(axis=1) == test.truth),
            snr_db=signal_to_noise_db(reference, logits),
        )


def runnable_forms(bundle: Bundle) -> Iterator[tuple[str, ModelFile]]:
    """Pair each interpreter that works here with the model files that it can read."""
    for backend, interpreter in INTERPRETERS.items():
        if not interpreter.usable:
            continue
        for model in bundle.manifest.models:
            if model.suffix == interpreter.suffix:
                yield backend, model


def run_apart(
    folder: Path, backend: str, file: str, inputs: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Run a bundle's model file in a process of its own; see `ser_edge.backends.Backend.run`.

    Raises
    ------
    BackendError
        If that process fails.
    """
    command = [sys.executable, "-m", "ser_edge_train.forms", str(folder), backend, file]
    content = io.BytesIO()
    np.save(content, inputs)
    finished = subprocess.run(command, input=content.getvalue(), capture_output=True, check=False)
    if finished.returncode != 0:
        lines = finished.stderr.decode(errors="replace").strip().splitlines()
        raise BackendError(
            f"{backend} failed on {folder / file} with status "
            f"{finished.returncode}: {lines[-1] if lines else 'no message'}"
        )
    return np.asarray(np.load(io.BytesIO(finished.stdout)), dtype=np.float32)


def _run_here(folder: str, backend: str, file: str) -> None:
    inputs = np.load(io.BytesIO(sys.stdin.buffer.read()))
    bundle = Bundle.open(folder)
    (model,) = (model for model in bundle.manifest.models if model.file == file)
    np.save(sys.stdout.buffer, open_model(bundle.verified(model), backend).run(inputs))


if __name__ == "__main__":
    _run_here(*sys.argv[1:])
