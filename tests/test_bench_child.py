"""Processes that tell how they go on; none is left, whatever happens."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ser_edge.errors import SerEdgeError
from ser_edge.isolated.process import Trial
from ser_edge_bench.child import STARTED, watch

Job = Callable[..., Trial]

HEAD = "import os, time\ndef job(*words):\n    yield {'pid': os.getpid()}\n"


@pytest.fixture
def do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    """Do a job, of which this is the rest."""
    monkeypatch.syspath_prepend(tmp_path)

    def done(rest: str, *words: str, **options: Any) -> Trial:
        (tmp_path / "some_job.py").write_text(HEAD + rest)
        settings: dict[str, Any] = {"environment": {}, "cpus": (), "silence_s": 60, **options}
        return watch("math", "some_job:job", words, **settings)

    return done


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_it_tells_on_the_way(do: Job) -> None:
    heard: list[dict[str, Any]] = []
    trial = do(
        "    yield {'a': 1}\n    print('chatter')\n    yield {'a': 2}\n", on_told=heard.append
    )
    assert (trial.state, trial.found["a"], trial.found["pinned"]) == ("works", 2, False)
    told = [said["a"] for said in heard if "a" in said]
    assert told == [1, 2, 2]  # and the end
    assert not alive(trial.found["pid"])


def test_its_environment_and_start(do: Job) -> None:
    before = time.perf_counter()
    trial = do(
        "    yield {'words': words, 'set': os.environ['SOME'], 'now': time.perf_counter()}\n",
        *("x", STARTED),
        environment={"SOME": "thing"},
    )
    assert trial.found["words"][0] == "x"
    assert trial.found["set"] == "thing"
    # One clock for all processes.
    started, now = float(trial.found["words"][1]), trial.found["now"]
    assert before <= started < now <= time.perf_counter()


@pytest.mark.parametrize(
    ("rest", "state", "reason"),
    [
        ("    raise ValueError('no')\n", "fails", "no"),
        ("    os.abort()\n", "dies", "ended by SIGABRT (aborted)"),
        ("    os._exit(0)\n", "dies", "Python exited with status 0"),
        ("    yield {'progress': 0.5}\n    os._exit(0)\n", "dies", "Python exited with status 0"),
    ],
)
def test_jobs_that_end_early(do: Job, rest: str, state: str, reason: str) -> None:
    trial = do(rest)
    assert (trial.state, trial.reason) == (state, reason)


def test_a_job_that_falls_silent(do: Job) -> None:
    heard: list[int] = []
    trial = do(
        "    time.sleep(1000)\n", silence_s=4, on_told=lambda t: heard.append(t.get("pid", 0))
    )
    assert (trial.state, trial.reason) == ("hangs", "told nothing for 4 s")
    assert not any(pid and alive(pid) for pid in heard)


def test_a_long_job_that_keeps_telling_is_no_hanging_one(do: Job) -> None:
    rest = "    for i in range(8):\n        time.sleep(1)\n        yield {'i': i}\n"
    trial = do(rest, silence_s=6)
    assert (trial.state, trial.found["i"]) == ("works", 7)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interruption_leaves_no_process(do: Job, error: type[BaseException]) -> None:
    heard: list[int] = []

    def interrupt(told: dict[str, Any]) -> None:
        if "pid" in told:
            heard.append(told["pid"])
            raise error

    with pytest.raises(error):
        do("    time.sleep(1000)\n", on_told=interrupt)
    assert len(heard) == 1
    assert not alive(heard[0])


def test_an_interruption_at_the_worst_moment(do: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once a timer runs, and before anybody knows of it: Python would wait for it to the end."""
    begun: list[threading.Timer] = []
    processes: list[subprocess.Popen[bytes]] = []

    class Interrupted(threading.Timer):
        def start(self) -> None:
            super().start()
            begun.append(self)
            raise KeyboardInterrupt

    class Noted(subprocess.Popen[bytes]):
        def __init__(self, *words: Any, **options: Any) -> None:
            super().__init__(*words, **options)
            processes.append(self)

    monkeypatch.setattr("ser_edge_bench.child.Timer", Interrupted)
    monkeypatch.setattr("subprocess.Popen", Noted)
    with pytest.raises(KeyboardInterrupt):
        do("    time.sleep(1000)\n")
    (timer,), (process,) = begun, processes
    timer.cancel()
    assert timer.daemon
    assert not alive(process.pid)


def test_where_no_process_can_be_started(do: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/no/such/python")
    with pytest.raises(SerEdgeError, match="none can be started here"):
        do("")
