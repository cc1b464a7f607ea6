"""The modules of `ser_edge_bench`: they need NumPy alone, and their examples run."""

from __future__ import annotations

import doctest
import json
import pkgutil
import subprocess
from collections.abc import Callable
from importlib import import_module

import pytest
from test_runtime_imports import LOADED

import ser_edge_bench

Fresh = Callable[..., subprocess.CompletedProcess[str]]

MODULES = [
    f"ser_edge_bench.{module.name}" for module in pkgutil.iter_modules(ser_edge_bench.__path__)
]


def test_nothing_but_numpy_and_the_runtime(fresh: Fresh) -> None:
    done = fresh(LOADED, "import " + ", ".join(MODULES))
    assert done.stderr == ""
    assert json.loads(done.stdout) == ["numpy", "ser_edge", "ser_edge_bench"]


@pytest.mark.parametrize("module", MODULES)
def test_examples(module: str) -> None:
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    assert doctest.testmod(import_module(module), optionflags=flags).failed == 0
