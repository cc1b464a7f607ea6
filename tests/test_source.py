"""Sources of `read`: paths, bytes, files and pipes, and their maximum size."""

import io
import os
import tempfile
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import pytest
from raising import raises
from recordings import by_soundfile, written

from ser_edge.audio import read
from ser_edge.errors import AudioError, ConfigError


class Recorder(io.BytesIO):
    """A file that counts what is read from it."""

    n_read = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.n_read += len(data)
        return data


def test_only_the_part_asked_for_is_read() -> None:
    file = Recorder(written(np.zeros(480000)))
    read(file, offset_s=10.0, duration_s=0.5)
    assert file.n_read < 16000 + 100


@pytest.mark.parametrize("container", ["WAV", "FLAC"])
def test_file_objects_are_read_from_where_they_stand_and_left_open(container: str) -> None:
    data = written(np.linspace(-1, 1, 500), container=container)
    file = io.BytesIO(b"before" + data)
    file.seek(6)
    np.testing.assert_array_equal(read(file)[0], by_soundfile(data))
    assert not file.closed


class Pipe(io.RawIOBase):
    """A file that cannot seek, such as a pipe."""

    def __init__(self, data: bytes) -> None:
        self._rest = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._rest.readinto(buffer)


def test_a_pipe_is_read_to_its_end() -> None:
    data = written(np.linspace(-1, 1, 500))
    samples, _ = read(cast(BinaryIO, Pipe(data)), offset_s=0.01)
    np.testing.assert_array_equal(samples, read(data)[0][160:])


@pytest.mark.parametrize("kind", [str, Path, bytes, bytearray, memoryview])
def test_every_kind_of_source(tmp_path: Path, kind: type) -> None:
    data = written(np.linspace(-1, 1, 500))
    path = tmp_path / "clip.wav"
    path.write_bytes(data)
    source = kind(path) if kind in (str, Path) else kind(data)
    np.testing.assert_array_equal(read(source)[0], by_soundfile(data))


def test_paths_that_lead_nowhere(tmp_path: Path) -> None:
    with raises(AudioError, source="gone.wav"):
        read(tmp_path / "gone.wav")
    with raises(AudioError, source=tmp_path.name):
        read(tmp_path)
    with raises(AudioError, source="a\0b"):
        read("a\0b")
    with raises(AudioError, source="the empty path"):
        read("")


def test_a_forbidden_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with raises(AudioError, "Permission denied", source="clip.wav"):
        read("somewhere/clip.wav")


def test_a_file_that_fails_while_read() -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(5, "Input/output error")

    with raises(AudioError, "Input/output error", source="the recording"):
        read(Failing(b"RIFF"))


class Upload:
    """An upload of a web framework, with an asynchronous `read`."""

    async def read(self, size: int = -1) -> bytes:
        return b""


@pytest.mark.parametrize("source", [3, None, np.zeros(5), io.StringIO("text"), Upload()])
def test_other_sources_are_refused(source: Any) -> None:
    with raises(AudioError, type(source).__name__):
        read(source)


@pytest.mark.parametrize("kind", [str, Path, bytes, bytearray, memoryview, io.BytesIO, Pipe])
def test_max_bytes_bounds_every_kind_of_source(tmp_path: Path, kind: type) -> None:
    data = written(np.linspace(-1, 1, 500))
    path = tmp_path / "clip.wav"
    path.write_bytes(data)
    source = kind(path) if kind in (str, Path) else kind(data)
    assert read(source, max_bytes=len(data))[0].size == 500
    source = kind(path) if kind in (str, Path) else kind(data)
    with raises(AudioError, "1044 bytes", "max_bytes=1043"):
        read(source, max_bytes=len(data) - 1)


def test_max_bytes_counts_from_where_a_file_stands() -> None:
    data = written(np.zeros(500))
    file = io.BytesIO(b"before" + data)
    file.seek(6)
    assert read(file, max_bytes=len(data))[0].size == 500


def test_wide_memory_counts_in_bytes() -> None:
    data = memoryview(written(np.zeros(500))).cast("h")
    assert read(data, max_bytes=2 * len(data))[0].size == 500
    with raises(AudioError, "1044 bytes"):
        read(data, max_bytes=len(data))


def test_nothing_is_read_of_what_is_too_long() -> None:
    file = Recorder(written(np.zeros(5000)))
    with raises(AudioError, "max_bytes=1000"):
        read(file, max_bytes=1000)
    assert (file.n_read, file.tell()) == (0, 0)


class Endless(io.RawIOBase):
    """A pipe whose writer never stops; each read returns little."""

    n_read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        n = min(len(buffer), 700)
        self.n_read += n
        return n


def test_a_pipe_is_read_one_byte_beyond_max_bytes() -> None:
    pipe = Endless()
    with raises(AudioError, "10001 bytes", "max_bytes=10000"):
        read(cast(BinaryIO, pipe), max_bytes=10_000)
    assert pipe.n_read == 10_001


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are a POSIX thing")
def test_a_named_pipe(tmp_path: Path) -> None:
    path, data = tmp_path / "pipe", written(np.linspace(-1, 1, 500))
    os.mkfifo(path)
    # Opened for both, it waits for nobody; the data fits into the pipe.
    with open(path, "r+b", buffering=0) as writer:
        writer.write(data)
        with raises(AudioError, "801 bytes", "max_bytes=800", source="pipe"):
            read(path, max_bytes=800)


def test_an_upload_in_a_temporary_file() -> None:
    data = written(np.linspace(-1, 1, 500))
    with tempfile.SpooledTemporaryFile() as file:
        file.write(data)
        file.seek(0)
        np.testing.assert_array_equal(read(cast(BinaryIO, file))[0], by_soundfile(data))


@pytest.mark.parametrize("value", [0, -1, 1e6, float("nan"), "9"])
def test_illegal_max_bytes(value: Any) -> None:
    with raises(ConfigError, f"max_bytes={value!r}", source=""):
        read(b"", max_bytes=value)


def test_files_that_give_no_bytes() -> None:
    closed = io.BytesIO(b"RIFF")
    closed.close()
    with raises(AudioError, "closed"):
        read(closed)

    class Text:
        def seekable(self) -> bool:
            return False

        def read(self, _: int) -> str:
            return "text"

    with raises(AudioError, "str", "binary"):
        read(cast(BinaryIO, Text()))
