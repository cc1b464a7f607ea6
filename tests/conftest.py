"""Fixtures and helpers that tests share."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hanging import HANG_S
from hypothesis import settings

from ser_edge import Bundle
from ser_edge.backends import INTERPRETERS

if TYPE_CHECKING:
    from ser_edge_train.run import Run
    from ser_edge_train.train import TrainOptions

# A deadline would test the speed of the machine.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

BUNDLE = Path(__file__).parent / "data" / "bundle"
_BESIDE = Path(__file__).parents[2] / "shared" / "corpora"


def pytest_configure(config: pytest.Config) -> None:
    """Let librosa compile itself before processes start; see `ser_edge_train.augment`."""
    if not hasattr(config, "workerinput"):
        with contextlib.suppress(ImportError):
            importlib.import_module("librosa.core.pitch")


def needs(backend: str) -> pytest.MarkDecorator:
    """Mark a test as skipped where a backend is not usable."""
    interpreter = INTERPRETERS[backend]
    return pytest.mark.skipif(not interpreter.usable, reason=f"no {interpreter.package}")


def parameter(backend: str, *more: object) -> Any:
    """Make a test parameter that begins with a backend, skipped where that is not usable."""
    return pytest.param(backend, *more, marks=needs(backend))


# Interpreters for the tests' own process. tflite-runtime opens no model where TensorFlow was
# imported, as other tests do, and ends the process where a model is damaged.
HERE = ("litert", "onnx", "numeric")


def bundle_precisions(*backends: str) -> list[Any]:
    """Pair backends with the precisions that the test bundle has for them, as test parameters."""
    models = Bundle.open(BUNDLE).manifest.models
    return [
        parameter(name, model.precision)
        for name in backends
        for model in models
        if model.suffix == INTERPRETERS[name].suffix
    ]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240607)


@pytest.fixture(scope="session")
def corpora_dir() -> Path:
    path = Path(os.environ.get("SER_EDGE_CORPORA", _BESIDE))
    if not path.is_dir():
        pytest.skip(f"no corpora in {path}; set SER_EDGE_CORPORA")
    return path


@pytest.fixture(scope="session")
def bundle_dir() -> Path:
    """An exported network; data/make_bundle.py made it."""
    return BUNDLE


@pytest.fixture(scope="session")
def golden() -> dict[str, Any]:
    """The arrays of the test bundle's golden.npz."""
    with np.load(BUNDLE / "golden.npz", allow_pickle=False) as arrays:
        return dict(arrays)


@pytest.fixture
def edited_bundle(tmp_path: Path) -> Callable[[Callable[[dict[str, Any]], object]], Path]:
    """Copy the test bundle and change its manifest."""

    def edit(change: Callable[[dict[str, Any]], object]) -> Path:
        folder = tmp_path / "edited"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(BUNDLE, folder)
        path = folder / "manifest.json"
        content = json.loads(path.read_text("utf-8"))
        change(content)
        path.write_text(json.dumps(content), "utf-8")
        return folder

    return edit


@pytest.fixture(scope="session")
def fresh() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run Python code in a new interpreter."""

    def run(code: str, *arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=HANG_S, **options)

    return run


@dataclass(frozen=True)
class Trained:
    """A short training on the synthetic corpus, exported; made once per session."""

    corpus: Path
    cache: Path
    options: TrainOptions
    run: Run


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    from ser_edge_export.acceptance import AcceptanceCriteria
    from ser_edge_export.export import export
    from ser_edge_export.run_model import trained_model_of_run
    from ser_edge_export.variants import chosen_variants
    from ser_edge_train.demo_corpus import write_demo_corpus
    from ser_edge_train.train import TrainOptions, train

    folder = tmp_path_factory.mktemp("trained")
    corpus, cache = folder / "corpus", folder / "cache"
    write_demo_corpus(corpus, takes=1)
    options = TrainOptions(
        epochs=80, augmentations=1, ensemble=1, retrain=False, licence="synthetic"
    )
    run = train([corpus], folder / "run", options, cache=cache, jobs=1)
    # One of its 84 test clips is 1.2 %.
    export(
        trained_model_of_run(run.folder),
        run.folder / "bundle",
        chosen_variants(int8=True),
        criteria=AcceptanceCriteria(0.9, 0.05),
    )
    return Trained(corpus, cache, options, run)
