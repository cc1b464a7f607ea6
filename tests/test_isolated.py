"""Imports that fail, die, hang and chatter do so in a process of their own."""

import os
import sys
from pathlib import Path

import pytest

from ser_edge.errors import SerEdgeError
from ser_edge.isolated.process import attempt

DIE = "import os, signal; os.kill(os.getpid(), signal.{})"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module `package_under_trial` that can be imported, yet empty."""
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "package_under_trial.py"
    path.touch()
    return path


@pytest.mark.parametrize(
    ("code", "state", "error", "signal", "reason"),
    [
        ("raise ImportError('GLIBC_2.38\\nmore')", "fails", "ImportError", "", "GLIBC_2.38"),
        ("import not_there", "fails", "ModuleNotFoundError", "", "No module named 'not_there'"),
        ("raise OSError", "fails", "OSError", "", "no message"),
        (DIE.format("SIGILL"), "dies", "", "SIGILL", "ended by SIGILL (illegal instruction)"),
        (DIE.format("SIGSEGV"), "dies", "", "SIGSEGV", "ended by SIGSEGV (segmentation fault)"),
        ("import sys; sys.exit(0)", "dies", "", "", "Python exited with status 0"),
        ("import os; os._exit(3)", "dies", "", "", "Python exited with status 3"),
        (
            "import sys; sys.exit('no licence')",
            "dies",
            "",
            "",
            "Python exited with status 1, after it said: no licence",
        ),
        ("import os; os.close(1)", "dies", "", "", "Python exited with status 1, after it said"),
    ],
)
def test_imports_that_do_not_work(
    package: Path, code: str, state: str, error: str, signal: str, reason: str
) -> None:
    package.write_text(code)
    trial = attempt(package.stem, timeout_s=60)
    assert (trial.state, trial.stage, trial.found) == (state, "import", {})
    assert (trial.error, trial.signal) == (error, signal)
    assert trial.reason.startswith(reason)
    assert "\n" not in trial.reason


def test_an_import_that_hangs(package: Path) -> None:
    package.write_text("import time; print('wait', flush=True); time.sleep(1000)")
    for timeout_s in (1, 5, 25):  # on a busy machine, Python itself takes its time to start
        trial = attempt(package.stem, timeout_s=timeout_s)
        assert (trial.state, trial.reason) == ("hangs", f"not done after {timeout_s} s")
        assert trial.wall_ms == 1e3 * timeout_s
        if trial.stage:
            break
    assert trial.stage == "import"


def test_chatter_does_no_harm(package: Path) -> None:
    package.write_text(
        "import atexit, os, sys\n"
        "print('x' * 100_000, end=''); print('y', file=sys.stderr)\n"
        "os.write(1, b'\\xff\\xfe no text'); sys.stdin.read()\n"
        "atexit.register(print, 'goodbye')"
    )
    trial = attempt(package.stem, timeout_s=60)
    assert (trial.state, trial.reason, trial.found) == ("works", "", {})
    assert trial.wall_ms > 0


def test_a_death_after_the_work_is_one_too(package: Path) -> None:
    package.write_text("import atexit, os; atexit.register(os.abort)")
    trial = attempt(package.stem, timeout_s=60)
    assert (trial.state, trial.signal) == ("dies", "SIGABRT")


def test_numpy_tells_its_blas(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert attempt("numpy", timeout_s=60).found["blas"]
    (tmp_path / "numpy.py").write_text("def show_config(mode): return {}")
    monkeypatch.syspath_prepend(tmp_path)
    assert attempt("numpy", timeout_s=60).found == {"blas": "unknown"}


def test_the_current_folder_is_not_searched(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "package_of_this_folder.py").touch()
    (tmp_path / "json.py").write_text("raise SystemExit(1)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    trial = attempt("package_of_this_folder", timeout_s=60)
    assert (trial.state, trial.error) == ("fails", "ModuleNotFoundError")


def test_telemetry_is_off_ahead_of_the_import(
    monkeypatch: pytest.MonkeyPatch, package: Path
) -> None:
    package.write_text("import os; assert os.environ['ORT_DISABLE_TELEMETRY'] == '1'")
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    assert attempt(package.stem, timeout_s=60).state == "works"
    assert "ORT_DISABLE_TELEMETRY" not in os.environ


JOB = """
import os, time
def job(*words):
    yield {"stage": "first", "words": words}
    yield {"stage": "second", "count": len(words)}
    REST
    yield {"stage": "third"}
"""


@pytest.mark.parametrize(
    ("rest", "state", "stage", "reason"),
    [
        ("", "works", "third", ""),
        ("raise ValueError('no')", "fails", "second", "no"),
        ("os.abort()", "dies", "second", "ended by SIGABRT (aborted)"),
        ("time.sleep(1000)", "hangs", "second", "not done after 5 s"),
    ],
)
def test_what_a_job_told_is_kept(
    package: Path, rest: str, state: str, stage: str, reason: str
) -> None:
    package.write_text(JOB.replace("REST", rest))
    trial = attempt("math", f"{package.stem}:job", ["a b", "c\nd"], timeout_s=5 if reason else 60)
    assert (trial.state, trial.stage, trial.reason) == (state, stage, reason)
    assert trial.found == {"words": ["a b", "c\nd"], "count": 2}


def test_where_no_process_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(SerEdgeError, match=r"^math is tried in .* none can be started here \(No "):
        attempt("math", timeout_s=60)
