"""The runtime needs NumPy and the standard library, and its examples run."""

import doctest
import json
import pkgutil
import subprocess
from collections.abc import Callable
from importlib import import_module

import pytest

import ser_edge

Fresh = Callable[..., subprocess.CompletedProcess[str]]

MODULES = [
    "ser_edge",
    *(module.name for module in pkgutil.walk_packages(ser_edge.__path__, "ser_edge.")),
]

LOADED = """
import json, sys
before = set(sys.modules)
exec(sys.argv[1])
loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
# NumPy's compiled modules share two modules that Cython makes in memory.
loaded = {name for name in loaded if "cython" not in name}
print(json.dumps(sorted(loaded - sys.stdlib_module_names)))
"""


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("import ser_edge", ["ser_edge"]),
        ("import ser_edge.cli", ["ser_edge"]),
        ("from ser_edge import *", ["numpy", "ser_edge"]),
        ("import " + ", ".join(MODULES), ["numpy", "ser_edge"]),
    ],
)
def test_nothing_but_numpy_and_the_standard_library(
    fresh: Fresh, statement: str, expected: list[str]
) -> None:
    done = fresh(LOADED, statement)
    assert done.stderr == ""
    assert json.loads(done.stdout) == expected


def test_the_runtime_imports_none_of_the_workstation_packages_when_used(fresh: Fresh) -> None:
    statement = (
        "import numpy as np, ser_edge; ser_edge.FeatureExtractor()(np.ones(5000)); "
        "ser_edge.Classifier.load; ser_edge.Bundle.open"
    )
    assert json.loads(fresh(LOADED, statement).stdout) == ["numpy", "ser_edge"]


def test_every_name_is_there() -> None:
    for name in ser_edge.__all__:
        assert getattr(ser_edge, name).__name__ == name
        assert getattr(ser_edge, name).__module__.startswith("ser_edge.")
    with pytest.raises(AttributeError, match="module 'ser_edge' has no attribute 'Clasifier'"):
        _ = ser_edge.Clasifier  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str) -> None:
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    module = import_module(name)
    assert doctest.testmod(module, optionflags=flags).failed == 0
