"""Exported model variants against the Keras model, on held-out clips.

Every interpreter runs in a process of its own: TensorFlow and tflite-runtime cannot share one, and
a crash ends only that process.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from ser_edge.backends import INTERPRETERS, open_model
from ser_edge.bundle import Bundle
from ser_edge.errors import BackendError
from ser_edge.isolated import run_isolated
from ser_edge.manifest import ModelFile
from ser_edge.prediction import softmax
from ser_edge_train.metrics import Scores, mcnemar, signal_to_noise_db
from ser_edge_train.run import HeldOut

_MIN_PROBABILITY = 1e-12  # lower bound before a logarithm
_TIMEOUT_S = 600.0  # without a report; the imports take seconds, minutes on a busy machine
_REPORT_EVERY_S = 5.0


@dataclass(frozen=True)
class VariantResult:
    """A model variant in one interpreter, compared with the Keras model.

    Parameters
    ----------
    backend, file, precision, input_kind : str
        The interpreter, and the model file that it ran.
    size_bytes : int
        Size of the file.
    latency_ms : float
        Median time of one window on one thread [ms]; a rough figure, other programs may be running.
    scores : dict of str to Scores
        Scores on all clips (``"all"``) and by corpus.
    uar_change : float
        UAR over all clips minus the Keras model's.
    agreement : float
        Share of the clips that get the same label from both.
    expected_agreement : float
        Estimate of `agreement` for other clips of this kind: the spread of the changes of the
        margin between the two most probable labels, relative to the margins. It depends less on
        the few clips near a tie.
    largest_change : float
        Largest change of any probability of any clip.
    mcnemar_p : float in [0, 1]
        p value of McNemar's exact test that both models are equally accurate.
    snr_db : float or None
        Power of the Keras model's logits over the power of the difference, both after subtraction
        of each window's mean [dB]; None where there is no difference. For files with audio input
        both are logarithms of probabilities, of at least 1e-12.
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
        """Return the fields as JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class Reference:
    """Output of the Keras model on clips that it was not trained on.

    Parameters
    ----------
    held_out : HeldOut
        The clips and their labels.
    inputs : mapping of str to np.ndarray [shape=(n, ...), dtype=float32]
        Inputs of model files: ``"features"`` are standardised features of the windows, ``"audio"``
        their samples.
    logits : np.ndarray [shape=(n, n_labels), dtype=float32]
        Output of the Keras model.
    labels : sequence of str
        Labels of the columns.
    temperature : float > 0
        Divides logits before the softmax.
    """

    held_out: HeldOut
    inputs: Mapping[str, NDArray[np.float32]]
    logits: NDArray[np.float32]
    labels: Sequence[str]
    temperature: float

    def compare(self, folder: Path, model: ModelFile, backend: str) -> VariantResult:
        """Run a model file in an interpreter and compare its output.

        Parameters
        ----------
        folder : Path
            Folder of the file.
        model : ModelFile
            The file.
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
        outputs, latency_ms = run_model_file(folder / model.file, backend, inputs)
        reference = self.logits
        if model.input_kind == "audio":  # its output is probabilities
            reference, outputs = (
                self.temperature * np.log(np.maximum(p, _MIN_PROBABILITY))
                for p in (softmax(reference / self.temperature), outputs)
            )
        expected, found = (
            self.held_out.predictions(logits, self.temperature) for logits in (reference, outputs)
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
            snr_db=signal_to_noise_db(_centred(reference), _centred(outputs)),
        )


def _expected_agreement(expected: NDArray[np.float64], found: NDArray[np.float64]) -> float:
    """Estimate how many clips keep their label, if all margins change by errors of one spread."""
    second, first = np.argsort(expected, axis=1)[:, -2:].T
    clips = np.arange(len(expected))
    # margin = log p_1 - log p_2; P(same label) = Phi(margin / rms(change of the margin))
    margin, changed = (
        np.log(
            np.maximum(p[clips, first], _MIN_PROBABILITY)
            / np.maximum(p[clips, second], _MIN_PROBABILITY)
        )
        for p in (expected, found)
    )
    spread = max(float(np.sqrt(np.mean((changed - margin) ** 2))), _MIN_PROBABILITY)
    return float(norm.cdf(margin / spread).mean())


def _centred(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Subtract each window's mean, which the softmax ignores."""
    return np.asarray(logits - logits.mean(axis=1, keepdims=True))


def compare_variants(bundle: Bundle, reference: Reference) -> Iterator[VariantResult]:
    """Run every model file of a bundle in every usable interpreter.

    Files with audio input are left out if the reference has no samples.

    Parameters
    ----------
    bundle : Bundle
        The exported folder.
    reference : Reference
        Output to compare with.

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
            bundle.model_bytes(model)
            yield reference.compare(bundle.folder, model, backend)


def runnable_variants(models: Sequence[ModelFile]) -> Iterator[tuple[str, ModelFile]]:
    """Pair each model file with the usable interpreters of its format."""
    for model in models:
        for backend, interpreter in INTERPRETERS.items():
            if interpreter.usable and model.suffix == interpreter.suffix:
                yield backend, model


def run_model_file(
    file: Path, backend: str, inputs: NDArray[np.float32]
) -> tuple[NDArray[np.float32], float]:
    """Run a model file in a process of its own, window by window.

    NumPy's linear algebra has one thread there, as the interpreters have: the number of threads
    changes the last digit on some processors, and so would change the golden clips.

    Parameters
    ----------
    file : Path
        The model file.
    backend : str
        A key of `ser_edge.backends.INTERPRETERS`.
    inputs : np.ndarray [shape=(n, ...), dtype=float32]
        Inputs of the windows; see `ser_edge.backends.Backend.run`.

    Returns
    -------
    outputs : np.ndarray [shape=(n, n_labels), dtype=float32]
    latency_ms : float
        Median time of one window [ms].

    Raises
    ------
    BackendError
        If the process fails.
    """
    interpreter = INTERPRETERS[backend]
    with TemporaryDirectory() as folder:
        np.save(Path(folder, "inputs.npy"), inputs)
        outcome = run_isolated(
            interpreter.module,
            f"{__name__}:run_job",
            [os.fspath(file), backend, folder],
            timeout_s=_TIMEOUT_S,
            environment={"OPENBLAS_NUM_THREADS": "1"},
        )
        if outcome.state != "works":
            remedy = f"pip install --force-reinstall {interpreter.distribution}"
            raise BackendError(
                f"{backend} failed: {outcome.problem}", outcome.remedy or remedy, file
            )
        return np.load(Path(folder, "outputs.npy")), float(outcome.found["latency_ms"])


def run_job(file: str, backend: str, folder: str) -> Iterator[dict[str, Any]]:
    """Run a model file on ``inputs.npy`` of a folder and write ``outputs.npy`` beside it."""
    inputs = np.load(Path(folder, "inputs.npy"))
    yield {"stage": "open"}
    model = open_model(Path(file).read_bytes(), backend, file)
    yield {"stage": "run"}
    outputs, times_ms = [], []
    reported = perf_counter()
    for window in inputs:
        started = perf_counter()
        outputs.append(model.run(window[None]))
        times_ms.append(1e3 * (perf_counter() - started))
        if started - reported > _REPORT_EVERY_S:
            reported = started
            yield {}
    np.save(Path(folder, "outputs.npy"), np.concatenate(outputs))
    yield {"latency_ms": float(np.median(times_ms))}
