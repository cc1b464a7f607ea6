"""The runtime's tests on every Python and NumPy that it is for, with the wheel installed.

`nox -l` says which there are. A Python that this machine has not is skipped, and said to be.
"""

import os
import re
import sys
from pathlib import Path

import nox

ROOT = Path(__file__).parent
TESTS = ROOT / "tests"
# Training and export need TensorFlow, and the other two what comes with it: `make test` has these.
TRAINING = re.compile("^(from|import) ser_edge_(train|export)", re.MULTILINE)
ELSEWHERE = [
    *(TESTS / f"test_{name}.py" for name in ("benchmarks_report", "docstrings")),
    *(test for test in TESTS.glob("test_*.py") if TRAINING.search(test.read_text("utf-8"))),
]

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False
os.environ.setdefault("UV_SYSTEM_CERTS", "1")  # as pip has it

# pyenv has one version active; the others that it holds will do as well.
PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], *map(str, PYENV.glob("versions/*/bin"))])


@nox.session(allow_parallel=True)
@nox.parametrize(
    ("python", "numpy", "interpreters"),
    [
        nox.param("3.10", "1.24", "litert,onnx", tags=["ends"], id="3.10, NumPy 1.24"),
        nox.param("3.10", "2", "litert,onnx", id="3.10, NumPy 2"),
        nox.param("3.11", "1.26", "litert,onnx,tflite", id="3.11, NumPy 1.26, tflite-runtime"),
        nox.param("3.11", "2", "litert,onnx", id="3.11, NumPy 2"),
        nox.param("3.12", "1.26", "litert,onnx", id="3.12, NumPy 1.26"),
        nox.param("3.12", "2", "litert,onnx", id="3.12, NumPy 2"),
        nox.param("3.13", "2", "litert,onnx", tags=["ends"], id="3.13, NumPy 2"),
    ],
)
def runtime(session: nox.Session, numpy: str, interpreters: str) -> None:
    """Test what a device gets: the wheel, NumPy and interpreters; and librosa to compare with."""
    folder = Path(session.create_tmp())
    build = (sys.executable, "-m", "build", "--wheel", "--no-isolation", str(ROOT))
    session.run_install(*build, "--outdir", str(folder), external=True, silent=True)
    (wheel,) = folder.glob("*.whl")
    # The lock names one NumPy a Python, and what goes with it; here the resolver finds what does.
    free = ("numpy=", "scipy=", "ml-dtypes=")
    locked = (ROOT / "constraints.txt").read_text("utf-8").splitlines(keepends=True)
    constraints = folder / "constraints.txt"
    constraints.write_text("".join(line for line in locked if not line.startswith(free)))
    group = nox.project.dependency_groups(nox.project.load_toml(ROOT / "pyproject.toml"), "test")
    session.install(
        *("--constraint", str(constraints), f"numpy=={numpy}.*", *group),
        f"{wheel}[{interpreters}]",
    )
    # From elsewhere, so that nothing is imported from the checkout.
    session.chdir(folder)
    session.run(
        *("pytest", "-q", "-m", "not training", "-c", str(ROOT / "pyproject.toml")),
        str(TESTS),
        *(f"--ignore={test}" for test in ELSEWHERE),
        *session.posargs,
    )
