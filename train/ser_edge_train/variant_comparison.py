"""The exported forms of a network, each run by its interpreter and held against the Keras model.

Every interpreter runs in a process of its own: TensorFlow and tflite-runtime cannot share one, and
a crash ends that process only. ``python -m ser_edge_train.variant_comparison BACKEND FILE`` is that process:
inputs come as ``.npy`` on stdin, what the file makes of them and its latency go to stdout.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from ser_edge.backends import INTERPRETERS, open_model
from ser_edge.bundle import Bundle
from ser_edge.errors import BackendError
from ser_edge.manifest import ModelFile
from ser_edge_train.metrics import Scores, mcnemar, signal_to_noise_db
from ser_edge_train.run import HeldOut

_LEAST = 1e-12  # of a probability, ahead of its logarithm


@dataclass(frozen=True)
class VariantResult:
    """How one form of the network, in one interpreter, compares with the source's.

    Parameters
    ----------
    backend, file, precision, takes : str
        The interpreter, and the model file that it ran.
    size_bytes : int
        Of the file.
    latency_ms : float
        Median time of one window, one thread [ms]; for orientation, on a machine that may be busy.
    scores : dict of str to Scores
        On the clips, over all and by corpus.
    uar_change : float
        UAR over all clips less the source's.
    agreement : float
        Share of the clips on which both say the same label.
    expected_agreement : float
        The same for other clips like these: how far the form moves the difference between the two
        most probable labels, against how large it is. It hangs less on the few clips near a tie.
    largest_change : float
        Of any clip's probability of any label.
    mcnemar_p : float in [0, 1]
        Chance of as uneven a split, or a more uneven one, of the clips that only one of the two
        hears rightly, were both equally good (McNemar's exact test).
    snr_db : float or None
        Power of the source's logits, each window's about their mean, over that of the difference
        [dB]; None where there is no difference.
    """

    backend: str
    file: str
    precision: str
    input_kind: str
    size_bytes: int
    latency_ms: float
    scores: dict[str, Scores]
    uar_change: float
    agreement: float
    expected_agreement: float
    largest_change: float
    mcnemar_p: float
    snr_db: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class Reference:
    """What the source network says of clips that it was not trained on.

    Parameters
    ----------
    held_out : HeldOut
        The clips and the y_true.
    inputs : mapping of str to np.ndarray [shape=(n, ...), dtype=float32]
        What a model file is given, by what it takes: ``"features"`` are standardised features of
        the windows, ``"audio"`` their samples.
    logits : np.ndarray [shape=(n, n_labels), dtype=float32]
        The source's.
    labels : sequence of str
        What their columns mean.
    temperature : float > 0
        Divides logits ahead of the softmax.
    """

    held_out: HeldOut
    inputs: Mapping[str, NDArray[np.float32]]
    logits: NDArray[np.float32]
    labels: Sequence[str]
    temperature: float

    def compare(self, folder: Path, model: ModelFile, backend: str) -> VariantResult:
        """Run a model file in an interpreter, in a process of its own, and judge what it says.

        Parameters
        ----------
        folder : Path
            Where the file lies.
        model : ModelFile
        backend : str
            A key of `ser_edge.backends.INTERPRETERS`.

        Returns
        -------
        result : VariantResult

        Raises
        ------
        BackendError
            If the interpreter fails on the file.
        """
        inputs = self.inputs["audio" if model.input_kind == "audio" else "features"]
        outputs, latency_ms = run_apart(folder / model.file, backend, inputs)
        if model.input_kind == "audio":  # which gives probabilities
            outputs = self.temperature * np.log(np.maximum(outputs, _LEAST))
        expected, found = (
            self.held_out.predictions(logits, self.temperature) for logits in (self.logits, outputs)
        )
        scores = found.scores(self.labels)
        return VariantResult(
            backend=backend,
            file=model.file,
            precision=model.precision,
            input_kind=model.input_kind,
            size_bytes=model.size_bytes,
            latency_ms=latency_ms,
            scores=scores,
            uar_change=scores["all"].uar - expected.score(self.labels).uar,
            agreement=float((found.predicted == expected.predicted).mean()),
            expected_agreement=_expected_agreement(expected.probabilities, found.probabilities),
            largest_change=float(np.abs(found.probabilities - expected.probabilities).max()),
            mcnemar_p=mcnemar(
                expected.predicted == expected.y_true, found.predicted == found.y_true
            ),
            snr_db=signal_to_noise_db(_centred(self.logits), _centred(outputs)),
        )


def _expected_agreement(expected: NDArray[np.float64], found: NDArray[np.float64]) -> float:
    """Chance that a clip keeps its label, if all margins are moved by errors of the same spread."""
    second, first = np.argsort(expected, axis=1)[:, -2:].T
    clips = np.arange(len(expected))
    margin, moved = (
        np.log(np.maximum(p[clips, first], _LEAST) / np.maximum(p[clips, second], _LEAST))
        for p in (expected, found)
    )
    spread = max(float(np.sqrt(np.mean((moved - margin) ** 2))), _LEAST)
    return float(norm.cdf(margin / spread).mean())


def _centred(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Take off what is common to a window's logits, which says nothing."""
    return np.asarray(logits - logits.mean(axis=1, keepdims=True))


def compare_variants(bundle: Bundle, reference: Reference) -> Iterator[VariantResult]:
    """Run every model file of a bundle in every interpreter that is installed and can read it.

    Files that take samples are left out where the reference has none.

    Parameters
    ----------
    bundle : Bundle
        The exported folder.
    reference : Reference
        What to hold them against.

    Yields
    ------
    result : VariantResult

    Raises
    ------
    BackendError
        If an interpreter fails on a file.
    BundleError
        If a file is damaged.
    """
    for backend, model in runnable_variants(bundle.manifest.models):
        if model.input_kind != "audio" or "audio" in reference.inputs:
            bundle.verified(model)
            yield reference.compare(bundle.folder, model, backend)


def runnable_variants(models: Sequence[ModelFile]) -> Iterator[tuple[str, ModelFile]]:
    """Pair each model file with the interpreters that work here and can read it."""
    for model in models:
        for backend, interpreter in INTERPRETERS.items():
            if interpreter.usable and model.suffix == interpreter.suffix:
                yield backend, model


def run_apart(
    file: Path, backend: str, inputs: NDArray[np.float32]
) -> tuple[NDArray[np.float32], float]:
    """Run a model file in a process of its own; see `ser_edge.backends.Backend.run`.

    NumPy's linear algebra has one thread there, as the interpreters have: how many it takes changes
    the last digit on some processors, and so would a golden clip with what is set outside.

    Returns
    -------
    outputs : np.ndarray [shape=(n, n_labels), dtype=float32]
    latency_ms : float
        Median time of one window [ms].

    Raises
    ------
    BackendError
        If that process fails.
    """
    command = [sys.executable, "-m", "ser_edge_train.variant_comparison", backend, str(file)]
    content = io.BytesIO()
    np.save(content, inputs)
    finished = subprocess.run(
        command,
        input=content.getvalue(),
        capture_output=True,
        check=False,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )
    if finished.returncode != 0:
        lines = finished.stderr.decode(errors="replace").strip().splitlines()
        raise BackendError(
            f"{backend} failed on {file} with status {finished.returncode}: "
            f"{lines[-1] if lines else 'no message'}"
        )
    with np.load(io.BytesIO(finished.stdout)) as arrays:
        return arrays["outputs"], float(arrays["latency_ms"])


def _run_here(backend: str, file: str) -> None:
    inputs = np.load(io.BytesIO(sys.stdin.buffer.read()))
    model = open_model(Path(file), backend)
    outputs, times_ms = [], []
    for window in inputs:
        started = perf_counter()
        outputs.append(model.run(window[None]))
        times_ms.append(1e3 * (perf_counter() - started))
    results = io.BytesIO()
    np.savez(results, outputs=np.concatenate(outputs), latency_ms=np.median(times_ms))
    sys.stdout.buffer.write(results.getvalue())


if __name__ == "__main__":
    _run_here(*sys.argv[1:])
