"""The runtime needs NumPy and the standard library, and its examples run."""

import doctest
import json
import pkgutil
import subprocess
import sys
import wave
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import ser_edge
from ser_edge.backends import INTERPRETERS

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
        ("import ser_edge.cli.command_line", ["ser_edge"]),
        ("import ser_edge.isolated.process", ["ser_edge"]),  # where NumPy itself is tried
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


def test_features_need_nothing_more(fresh: Fresh) -> None:
    statement = "import numpy as np, ser_edge; ser_edge.FeatureExtractor()(np.ones(5000))"
    done = fresh(LOADED, statement)
    assert done.stderr == ""
    assert json.loads(done.stdout) == ["numpy", "ser_edge"]


@pytest.fixture
def clip(tmp_path: Path, golden: dict[str, Any]) -> Path:
    """A recording at another rate than the network's, so that it is resampled."""
    path = tmp_path / "clip.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 44100, 0, "NONE", ""))
        file.writeframes(golden["clip1_samples"].tobytes())
    return path


@pytest.mark.parametrize("backend", INTERPRETERS)
def test_a_prediction_needs_the_interpreter_and_nothing_more(
    fresh: Fresh, bundle_dir: Path, clip: Path, backend: str
) -> None:
    interpreter = INTERPRETERS[backend]
    if not interpreter.usable:
        pytest.skip(f"no {interpreter.package} that goes with this NumPy")
    statement = (
        "import ser_edge; "
        "ser_edge.Classifier.load(sys.argv[2], backend=sys.argv[3]).predict(sys.argv[4])"
    )
    done = fresh(LOADED, statement, bundle_dir, backend, clip)
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)) == {"numpy", "ser_edge", interpreter.package}


def test_every_name_is_there() -> None:
    for name in ser_edge.__all__:
        assert getattr(ser_edge, name).__name__ == name
        assert getattr(ser_edge, name).__module__.startswith("ser_edge.")
    with pytest.raises(AttributeError, match="Clasifier"):
        _ = ser_edge.Clasifier  # type: ignore[attr-defined]


def test_dir_lists_the_public_names_without_importing_them(fresh: Fresh) -> None:
    public = "[name for name in dir(ser_edge) if not name.startswith('__')]"
    done = fresh(f"{LOADED}\nassert {public} == ser_edge.__all__", "import ser_edge")
    assert done.stderr == ""
    assert json.loads(done.stdout) == ["ser_edge"]


@pytest.mark.parametrize("arguments", [["--version"], ["--help"]])
def test_the_package_is_a_command(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "ser_edge", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert "ser-edge" in done.stdout


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str) -> None:
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    module = import_module(name)
    assert doctest.testmod(module, optionflags=flags).failed == 0
