"""The bundle that comes with the package, compared with its model card on test clips.

``data/pretrained.npz`` has their features; benchmarks/rebuild_pretrained.py wrote both.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import parameter
from numpy.typing import NDArray

from ser_edge import Bundle, Classifier
from ser_edge.backends import INTERPRETERS
from ser_edge.backends.selection import model_for
from ser_edge.bundle import PRETRAINED
from ser_edge.verify import verify

SAMPLE = Path(__file__).parent / "data" / "pretrained.npz"
LABELS = ("neutral", "happy", "sad", "angry", "fear", "disgust", "surprise")


@pytest.fixture(scope="module")
def sample() -> dict[str, Any]:
    with np.load(SAMPLE, allow_pickle=False) as arrays:
        return dict(arrays)


def clip_probabilities(sample: dict[str, Any], backend: str) -> NDArray[Any]:
    """Probabilities of the sample's clips."""
    classifier = Classifier.load(backend=backend)
    inputs = classifier.bundle.manifest.input.network_inputs(sample["features"])
    windows = classifier.probabilities(inputs)
    return np.array([windows[sample["clip"] == clip].mean(axis=0) for clip in range(42)])


def uar(probabilities: NDArray[Any], y_true: NDArray[Any]) -> float:
    correct = probabilities.argmax(axis=1) == y_true
    return float(np.mean([correct[y_true == label].mean() for label in np.unique(y_true)]))


def test_it_is_small_and_complete() -> None:
    files = list(PRETRAINED.iterdir())
    assert sum(path.stat().st_size for path in files) <= 1.25 * 1024 * 1024
    assert {"manifest.json", "MODEL_CARD.md", "golden.npz"} <= {path.name for path in files}
    assert set(Bundle.open(PRETRAINED).manifest.labels) == set(LABELS)
    assert verify(PRETRAINED).ok


@pytest.mark.parametrize("backend", INTERPRETERS)
def test_every_interpreter_has_a_file(backend: str) -> None:
    model = model_for(Bundle.open(PRETRAINED), backend)
    assert model is not None


@pytest.mark.parametrize(("backend", "atol"), [parameter("numeric", 1e-5), parameter("onnx", 2e-3)])
def test_float_files_agree_with_the_trained_network(
    sample: dict[str, Any], backend: str, atol: float
) -> None:
    found = clip_probabilities(sample, backend)
    np.testing.assert_allclose(found, sample["probabilities"], atol=atol)
    np.testing.assert_array_equal(found.argmax(axis=1), sample["probabilities"].argmax(axis=1))


@pytest.mark.parametrize("backend", [parameter("numeric"), parameter("litert"), parameter("onnx")])
def test_it_is_as_good_as_its_card_says(sample: dict[str, Any], backend: str) -> None:
    stated = Bundle.open(PRETRAINED).manifest.about["metrics"]["all"]
    found = clip_probabilities(sample, backend)
    # Six clips a label: up to a twelfth of each recall is rounded, and int8 may change a clip.
    assert uar(found, sample["y_true"]) == pytest.approx(stated["uar"], abs=0.05)
    for number, label in enumerate(Bundle.open(PRETRAINED).manifest.labels):
        right = found.argmax(axis=1)[sample["y_true"] == number] == number
        assert right.mean() == pytest.approx(stated["recall"][label], abs=1 / 12 + 1 / 6)
    assert (found.argmax(axis=1) == sample["probabilities"].argmax(axis=1)).mean() >= 0.97


def test_the_card_is_complete() -> None:
    card = (PRETRAINED / "MODEL_CARD.md").read_text(encoding="utf-8")
    for text in (
        *("CC BY-NC-SA 4.0", "Apache-2.0", "RAVDESS", "Livingstone & Russo 2018", "Burkhardt"),
        *("ser-edge train DATA_DIR", "acted", "North American English", "German", "26 and 64"),
        *("female", "male", "calibration error", "minimum probability", "speaker, fold 0"),
        *("corpus", "Art. 5(1)(f)", "Art. 50(3)"),
    ):
        assert text in card, text
    stated = Bundle.open(PRETRAINED).manifest.about["metrics"]["all"]
    assert re.search(rf"\| all +\| {stated['n_clips']} .*{stated['uar']:.1%}", card)
