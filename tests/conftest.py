"""What every test may ask for."""

import os
from pathlib import Path

import numpy as np
import pytest

_BESIDE = Path(__file__).parents[2] / "shared" / "corpora"


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240607)


@pytest.fixture(scope="session")
def corpora_dir() -> Path:
    path = Path(os.environ.get("SER_EDGE_CORPORA", _BESIDE))
    if not path.is_dir():
        pytest.skip(f"no corpora in {path}; set SER_EDGE_CORPORA")
    return path
