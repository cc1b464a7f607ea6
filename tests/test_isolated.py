"""Isolated jobs that succeed, fail, die, hang and print; no process is left over."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hanging import hang
from raising import raises

from ser_edge.errors import SerEdgeError
from ser_edge.isolated import Outcome, run_isolated

DIE = "import os, signal; os.kill(os.getpid(), signal.{})"

Job = Callable[..., Outcome]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty module `isolated_package`, which can be imported."""
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "isolated_package.py"
    path.touch()
    return path


@pytest.fixture
def do(package: Path) -> Job:
    """Run a job with this body, after it has reported its process."""

    def run(body: str, *arguments: str, **options: Any) -> Outcome:
        lines = "".join(f"    {line}\n" for line in body.splitlines())
        head = "import os, time\ndef job(*words):\n    yield {'pid': os.getpid(), 'words': words}\n"
        package.write_text(head + lines)
        options = {"timeout_s": 600, **options}
        return run_isolated("math", f"{package.stem}:job", arguments, **options)

    return run


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    ("code", "state", "error", "signal", "values"),
    [
        ("raise ImportError('GLIBC_2.38\\nmore')", "fails", "ImportError", "", ("GLIBC_2.38",)),
        ("import not_there", "fails", "ModuleNotFoundError", "", ("'not_there'",)),
        ("raise OSError", "fails", "OSError", "", ()),
        (DIE.format("SIGILL"), "dies", "", "SIGILL", ("SIGILL",)),
        (DIE.format("SIGSEGV"), "dies", "", "SIGSEGV", ("SIGSEGV",)),
        ("import sys; sys.exit(0)", "dies", "", "", ("status 0",)),
        ("import os; os._exit(3)", "dies", "", "", ("status 3",)),
        (
            "import sys; sys.exit('no licence')",
            "dies",
            "",
            "",
            ("status 1", "no licence"),
        ),
        ("import os; os.close(1)", "dies", "", "", ("status 1",)),
    ],
)
def test_imports_that_do_not_work(
    package: Path, code: str, state: str, error: str, signal: str, values: tuple[str, ...]
) -> None:
    package.write_text(code)
    outcome = run_isolated(package.stem, timeout_s=600)
    assert (outcome.state, outcome.stage, outcome.found) == (state, "import", {})
    assert (outcome.error, outcome.signal, outcome.remedy) == (error, signal, "")
    assert outcome.problem
    for value in values:
        assert value in outcome.problem
    assert "\n" not in outcome.problem


def test_an_import_that_hangs(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package.write_text(hang(tmp_path, monkeypatch))
    outcome = run_isolated(package.stem, timeout_s=77)
    assert (outcome.state, outcome.stage, outcome.found) == ("hangs", "import", {})
    assert "77 s" in outcome.problem


def test_output_of_a_package_does_no_harm(package: Path) -> None:
    package.write_text(
        "import atexit, os, sys\n"
        "print('x' * 100_000, end=''); print('y', file=sys.stderr)\n"
        "os.write(1, b'\\xff\\xfe no text'); sys.stdin.read()\n"
        "atexit.register(print, 'goodbye')"
    )
    outcome = run_isolated(package.stem, timeout_s=600)
    assert (outcome.state, outcome.problem, outcome.found) == ("works", "", {})
    assert outcome.wall_ms > 0


def test_a_death_after_the_work(package: Path) -> None:
    package.write_text("import atexit, os; atexit.register(os.abort)")
    outcome = run_isolated(package.stem, timeout_s=600)
    assert (outcome.state, outcome.signal) == ("dies", "SIGABRT")


def test_numpy_reports_its_blas(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert run_isolated("numpy", timeout_s=600).found["blas"]
    (tmp_path / "numpy.py").write_text("def show_config(mode): return {}")
    monkeypatch.syspath_prepend(tmp_path)
    assert run_isolated("numpy", timeout_s=600).found == {"blas": "unknown"}


def test_the_current_folder_is_not_searched(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "package_of_this_folder.py").touch()
    (tmp_path / "json.py").write_text("raise SystemExit(1)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    outcome = run_isolated("package_of_this_folder", timeout_s=600)
    assert (outcome.state, outcome.error) == ("fails", "ModuleNotFoundError")


def test_telemetry_is_off_before_the_import(monkeypatch: pytest.MonkeyPatch, package: Path) -> None:
    package.write_text("import os; assert os.environ['ORT_DISABLE_TELEMETRY'] == '1'")
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    assert run_isolated(package.stem, timeout_s=600).state == "works"
    assert "ORT_DISABLE_TELEMETRY" not in os.environ


STEPS = """\
yield {"stage": "first", "a": 1}
print("no report")
yield {"stage": "second", "count": len(words)}
"""


@pytest.mark.parametrize(
    ("rest", "state", "stage", "problem"),
    [
        ("yield {'stage': 'third'}", "works", "third", ""),
        ("raise ValueError('no')", "fails", "second", "no"),
        ("os.abort()", "dies", "second", "SIGABRT"),
        ("os._exit(0)", "dies", "second", "status 0"),
    ],
)
def test_reports_are_kept(do: Job, rest: str, state: str, stage: str, problem: str) -> None:
    outcome = do(STEPS + rest, "a b", "c\nd")
    assert (outcome.state, outcome.stage) == (state, stage)
    assert problem in outcome.problem
    assert bool(outcome.problem) == bool(problem)
    pid = outcome.found.pop("pid")
    assert not alive(pid)
    assert outcome.found == {"words": ["a b", "c\nd"], "a": 1, "count": 2}


def test_a_job_that_hangs(do: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = do(STEPS + hang(tmp_path, monkeypatch), timeout_s=77)
    assert (outcome.state, outcome.stage, outcome.found["count"]) == ("hangs", "second", 0)
    assert "77 s" in outcome.problem
    assert not alive(outcome.found["pid"])


def test_every_report_restarts_the_timer(do: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    timers: list[threading.Timer] = []

    class Recorded(threading.Timer):
        def start(self) -> None:
            assert all(timer.finished.is_set() for timer in timers)
            timers.append(self)
            super().start()

    monkeypatch.setattr("ser_edge.isolated.process.Timer", Recorded)
    reports: list[dict[str, Any]] = []
    do("for i in range(5): yield {'i': i}", on_report=reports.append)
    assert [report["i"] for report in reports if "i" in report] == [0, 1, 2, 3, 4, 4]
    assert len(timers) == 1 + len(reports)
    assert timers[-1].finished.is_set()


def test_our_errors_keep_problem_remedy_and_source(do: Job) -> None:
    outcome = do(
        "from ser_edge.errors import BackendError\n"
        "raise BackendError('has 2 inputs', 'export it again', 'm.onnx')"
    )
    assert (outcome.state, outcome.error) == ("fails", "BackendError")
    assert (outcome.problem, outcome.remedy) == ("m.onnx: has 2 inputs", "export it again")


def test_environment_and_start(do: Job) -> None:
    before = time.perf_counter()
    outcome = do(
        "from ser_edge.isolated import child\n"
        "yield {'set': os.environ['SOME'], 'times': [child.started_s, time.perf_counter()]}",
        environment={"SOME": "thing"},
    )
    assert outcome.found["set"] == "thing"
    started, now = outcome.found["times"]
    assert before <= started < now <= time.perf_counter()


def test_pinning(do: Job) -> None:
    assert "pinned" not in do("").found
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("no affinity on this system")
    cpu = min(os.sched_getaffinity(0))
    found = do("yield {'cpus': list(os.sched_getaffinity(0))}", cpus=[cpu]).found
    assert (found["pinned"], found["cpus"]) == (True, [cpu])
    assert do("", cpus=[10**6]).found["pinned"] is False


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interruption_leaves_no_process(do: Job, error: type[BaseException]) -> None:
    pids: list[int] = []

    def interrupt(report: dict[str, Any]) -> None:
        if "pid" in report:
            pids.append(report["pid"])
            raise error

    with pytest.raises(error):
        do("time.sleep(1000)", on_report=interrupt)
    assert len(pids) == 1
    assert not alive(pids[0])


def test_an_interruption_at_the_worst_moment(do: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the start of a timer and its assignment; Python would wait for it at its exit."""
    timers: list[threading.Timer] = []
    processes: list[subprocess.Popen[bytes]] = []

    class Interrupted(threading.Timer):
        def start(self) -> None:
            super().start()
            timers.append(self)
            raise KeyboardInterrupt

    class Recorded(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            processes.append(self)

    monkeypatch.setattr("ser_edge.isolated.process.Timer", Interrupted)
    monkeypatch.setattr("subprocess.Popen", Recorded)
    with pytest.raises(KeyboardInterrupt):
        do("time.sleep(1000)")
    (timer,), (process,) = timers, processes
    timer.cancel()
    assert timer.daemon
    assert not alive(process.pid)


def test_no_process_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with raises(SerEdgeError, "math", "No such file"):
        run_isolated("math", timeout_s=600)
