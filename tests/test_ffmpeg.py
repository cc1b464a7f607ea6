"""Formats of phones and browsers: decoded by ffmpeg, or named; with a program in its place."""

from __future__ import annotations

import io
import os
import shlex
import signal
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from raising import raises
from recordings import by_soundfile, chunk, fmt, tone, written

from ser_edge.audio import blocks, load, read
from ser_edge.audio.containers import container_of
from ser_edge.errors import AudioError

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a shell script stands in for ffmpeg")

WEBM = b"\x1a\x45\xdf\xa3"
HEADS = [
    (b"\0\0\0\x20ftypM4A \0\0", "m4a", "mov"),
    (b"\0\0\0\x18ftyp3gp4\0\0", "3gp", "mov"),
    (WEBM, "webm", "matroska"),
    (b"#!AMR\n", "AMR", "amr"),
    (b"#!AMR-WB\n", "AMR", "amr"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "wma", "asf"),
    (b"RIFF\0\0\1\0AVI LIST", "AVI", "avi"),
    (b"\xff\xf1\x50\x80", "AAC", "aac"),
]

Install = Callable[[str], Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a shell script as the program ffmpeg, and the shell's commands."""

    def write(script: str) -> Path:
        folder = tmp_path / "bin"
        folder.mkdir()
        program = folder / "ffmpeg"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        return program

    return write


# Writes its words down and passes on what follows the first four bytes.
DECODER = """
printf '%s\\n' "$@" > "$0.words"
while [ "$1" != -i ]; do shift; done
tail -c +5 "${2#file:}"
"""


def streamed(samples: bytes, channels: int = 1) -> bytes:
    """Return a WAV file as ffmpeg writes it into a pipe."""
    chunks = chunk(b"fmt ", fmt(channels=channels)) + chunk(b"LIST", b"INFOISFT")
    return chunk(b"RIFF", b"WAVE" + chunks, 0xFFFFFFFF) + chunk(b"data", samples, 0xFFFFFFFF)


@pytest.mark.parametrize(("head", "name", "demuxer"), HEADS)
def test_a_format_is_named_with_the_way_to_convert_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: bytes, name: str, demuxer: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    path = tmp_path / "my clip.xyz"
    path.write_bytes(head + bytes(500))
    command = "ffmpeg -i 'my clip.xyz' 'my clip.wav'"
    with raises(AudioError, name, "install ffmpeg", command, source="my clip.xyz"):
        read(path)
    with raises(AudioError, name, "ffmpeg -i recording recording.wav", source="the recording"):
        read(path.read_bytes())


@pytest.mark.parametrize(("head", "name", "demuxer"), HEADS)
def test_only_the_demuxer_of_the_format_runs(
    install: Install, head: bytes, name: str, demuxer: str
) -> None:
    program = install(DECODER)
    with raises(AudioError):
        read(head)
    words = Path(f"{program}.words").read_text().splitlines()
    assert words[words.index("-f") : words.index("-i")] == ["-f", demuxer]
    assert words[words.index("-protocol_whitelist") + 1] == "file"
    assert words[words.index("-i") + 1].startswith("file:/")


@pytest.mark.parametrize("kind", ["path", "bytes", "file", "file that has begun"])
@pytest.mark.parametrize("channels", [1, 2])
def test_what_ffmpeg_decodes_is_read(
    tmp_path: Path, install: Install, rng: np.random.Generator, kind: str, channels: int
) -> None:
    install(DECODER)
    frames = rng.integers(-9999, 9999, (150_000, channels)).astype("<i2")
    data = WEBM + streamed(frames.tobytes(), channels)
    path = tmp_path / "clip.webm"
    path.write_bytes(data)
    begun = io.BytesIO(b"before" + data)
    begun.seek(6)
    files: dict[str, Any] = {"bytes": data, "file": io.BytesIO(data), "path": path}
    samples, sample_rate = read(files.get(kind, begun))
    assert sample_rate == 16000
    np.testing.assert_array_equal(samples, by_soundfile(written(frames)))


def test_parts_and_blocks(install: Install, rng: np.random.Generator) -> None:
    install(DECODER)
    frames = rng.integers(-9999, 9999, 150_000).astype("<i2")
    data, wav = WEBM + streamed(frames.tobytes()), written(frames)
    parts: list[dict[str, Any]] = [
        {"offset_s": 4.2, "duration_s": 3.0},
        {"offset_s": 7.0, "duration_s": 2.0},  # from one piece into the next
        {"offset_s": 9},
        {"duration_s": 0.001},
    ]
    for part in parts:
        np.testing.assert_array_equal(read(data, **part)[0], read(wav, **part)[0])
    expected = load(wav, 22050)
    np.testing.assert_array_equal(np.concatenate(list(blocks(data, 22050))), expected)
    beyond: list[dict[str, Any]] = [{"offset_s": 10}, {"duration_s": 0}, {"offset_s": 1e300}]
    for part in beyond:
        with raises(AudioError, "no sample is left"):
            read(data, **part)


def test_limits(install: Install) -> None:
    install(DECODER)
    data = WEBM + streamed(bytes(32000))
    assert read(data, max_s=1, max_bytes=len(data))[0].size == 16000
    with raises(AudioError, "max_s=0.9"):
        read(data, max_s=0.9)
    with raises(AudioError, "max_bytes=1000"):
        read(data, max_bytes=1000)


def test_a_decoder_without_end_is_ended(tmp_path: Path, install: Install) -> None:
    program = install(f'echo $$ > "$0.pid"\ncat {tmp_path}/head\nexec cat /dev/zero')
    (tmp_path / "head").write_bytes(streamed(b""))
    with raises(AudioError, "max_s=20"):
        read(WEBM, max_s=20)
    with pytest.raises(ProcessLookupError):
        os.kill(int(Path(f"{program}.pid").read_text()), 0)
    some = blocks(WEBM, 16000, block_s=1.0)
    assert next(some).size == 16000
    some.close()
    with pytest.raises(ProcessLookupError):
        os.kill(int(Path(f"{program}.pid").read_text()), 0)


def test_a_decoder_that_waits_is_killed(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install(f"{DECODER}\nhead -c 1000000 /dev/zero\nexec sleep 600")
    started: list[subprocess.Popen[bytes]] = []

    class Popen(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *words: Any, **options: Any) -> None:
            super().__init__(*words, **options)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Popen)
    assert read(WEBM + streamed(tone()), duration_s=1)[0].size == 16000
    assert [process.returncode for process in started] == [-signal.SIGKILL]


@pytest.mark.parametrize(
    ("script", "value"),
    [
        ("echo '[mov,mp4 @ 0x55d] [x] moov atom not found' >&2; exit 1", "(moov atom not found)"),
        ("exit 0", "WebM"),
        (f"{DECODER}\necho '[aac @ 0x1] Corrupt' >&2; exit 69", "to its end (Corrupt)"),
        (f"{DECODER}\nkill -9 $$", "to its end"),
        ("printf RIFF", "no audio"),
        ("exec cat /dev/zero", "no audio"),
    ],
)
def test_a_recording_that_ffmpeg_refuses(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    install: Install,
    script: str,
    value: str,
) -> None:
    install(script)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    with raises(AudioError, value, source="the recording"):
        read(WEBM + streamed(tone()))
    assert not list(temporary.iterdir())


def test_a_program_that_cannot_start(install: Install) -> None:
    install("").write_bytes(b"\x7fELF" + struct.pack("<Q", 0))
    with raises(AudioError, "cannot be started", "ffmpeg"):
        read(WEBM)


def test_a_command_can_be_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    path = tmp_path / "a'b; rm -r $HOME.webm"
    path.write_bytes(WEBM)
    with raises(AudioError) as caught:
        read(path)
    command = caught.value.remedy.split("`")[1]
    assert shlex.split(command) == ["ffmpeg", "-i", path.name, path.with_suffix(".wav").name]


def test_other_beginnings_have_no_name() -> None:
    assert container_of(b"emotion,clip") is None
    assert container_of(b"") is None
