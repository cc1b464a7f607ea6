"""Files appear whole or not at all; whether they can be written is checked first."""

import os
from pathlib import Path

import pytest
from hanging import make_pipe
from raising import raises

from ser_edge.errors import BundleError, SerEdgeError
from ser_edge.files import check_writable, read_file, written_whole


def test_a_file_appears_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_text("old")
    with written_whole(path) as partial:
        partial.write_text("new")
        assert partial.suffix == ".png"
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def fail_halfway(path: Path, error: BaseException) -> None:
    with written_whole(path) as partial:
        partial.write_text("half")
        raise error


@pytest.mark.parametrize("error", [ValueError(), KeyboardInterrupt()])
def test_nothing_is_left_of_one_that_fails(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error)):
        fail_halfway(tmp_path / "a.json", error)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk(tmp_path: Path) -> None:
    full = OSError(28, "No space left on device")
    with raises(SerEdgeError, "No space left on device", source=tmp_path / "a.json"):
        fail_halfway(tmp_path / "a.json", full)
    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.touch()
    for path, value in (
        (tmp_path, "folder"),
        (there, "--overwrite"),
        (tmp_path / "no" / "a", "no such folder"),
        (Path("/proc/a"), "written"),
    ):
        with raises(SerEdgeError, value, "--out", source=path):
            check_writable(path, "--out")
    check_writable(there, "--out", overwrite=True)
    check_writable(tmp_path / "free", "--out")
    assert list(tmp_path.iterdir()) == [there]


def test_files_are_read_up_to_a_size(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    assert read_file(path, 5) == b"12345"
    with raises(SerEdgeError, "5 bytes", "at most 4", "copy it again", source=path):
        read_file(path, 4, remedy="copy it again")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are a POSIX thing")
def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    make_pipe(tmp_path / "pipe")
    for path, value in (
        (tmp_path / "pipe", "pipe"),
        (Path("/dev/zero"), "device"),
        (tmp_path, "Is a directory"),
        (tmp_path / "gone", "No such file"),
        (Path("a\0b"), "null"),
    ):
        with raises(BundleError, value, source=path):
            read_file(path, 10, error=BundleError)
