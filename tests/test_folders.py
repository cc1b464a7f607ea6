"""Folders that are written beside their target, under a lock."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from raising import raises

from ser_edge import SerEdgeError
from ser_edge_train.folders import reserved, written_beside

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no flock")

_HOLD = """
import sys, time
from pathlib import Path
from ser_edge_train.folders import reserved
with reserved(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_one_process_writes_a_folder(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    with reserved(out):
        with raises(SerEdgeError, os.getpid(), "--report", source=out):
            with reserved(out, option="--report"):
                pass
        with raises(SerEdgeError, os.getpid(), source=out), written_beside(out):
            pass
        with reserved(out.with_name("other")):
            pass
    with written_beside(out) as folder:
        (folder / "file").touch()
    assert [path.name for path in out.parent.iterdir()] == ["out"]


@pytest.mark.parametrize("end", [subprocess.Popen.kill, lambda process: process.stdin.close()])
def test_the_lock_ends_with_the_process(
    tmp_path: Path, end: Callable[[subprocess.Popen[str]], object]
) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-c", _HOLD, str(out)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "locked\n"
        with raises(SerEdgeError, process.pid, source=out), reserved(out):
            pass
        end(process)
        process.wait()
        with reserved(out):
            pass
    assert not list(tmp_path.iterdir())


def test_the_folder_is_checked_again_under_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ser_edge_train import folders

    out = tmp_path / "out"
    lock = folders._locked

    def other_finishes_first(path: Path) -> object:
        out.mkdir()
        return lock(path)

    monkeypatch.setattr(folders, "_locked", other_finishes_first)
    with raises(SerEdgeError, "--overwrite", source=out), reserved(out):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_lock_file_that_was_just_removed_is_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    out = tmp_path / "out"
    flock = fcntl.flock
    calls: list[int] = []

    def removed_meanwhile(file: int, operation: int) -> None:
        if not calls:
            (tmp_path / ".out.lock").unlink()
        calls.append(operation)
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", removed_meanwhile)
    with reserved(out), raises(SerEdgeError, source=out), reserved(out):
        pass
    assert len(calls) == 3


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with reserved(tmp_path / "out"):
        pass
    assert not list(tmp_path.iterdir())
