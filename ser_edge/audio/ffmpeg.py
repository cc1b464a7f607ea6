"""Decode formats of phones and browsers with the program ffmpeg, where it is installed.

The format is known by its first bytes, and ffmpeg may open nothing but a copy of the recording: no
playlist and no address in it leads to another file.
"""

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ser_edge.audio.containers import Container
from ser_edge.audio.wav import WavHeader, pcm_samples, read_header
from ser_edge.errors import AudioError

_HEADER_BYTES = 1 << 12  # more than the WAV header that ffmpeg writes
_READ_BYTES = 1 << 18


@contextlib.contextmanager
def decoded_by_ffmpeg(
    file: BinaryIO, container: Container
) -> Iterator[tuple[int, Iterator[NDArray[np.float32]]]]:
    """Yield the sample rate of a recording and an iterator of its frames.

    The frames have shape (n, n_channels). Decoding runs in constant memory beside the caller, and
    ends with the block. Raises `AudioError` if ffmpeg is not installed or cannot decode the
    recording, also while the frames are fetched.
    """
    program = shutil.which("ffmpeg")
    if program is None:
        raise AudioError(
            f"is {container.name}, expected WAV, FLAC, OGG or MP3",
            f"install ffmpeg, or convert it with `{_conversion(file)}`",
        )
    with tempfile.TemporaryDirectory(prefix="ser-edge-") as name:
        folder = Path(name)
        copy, log = folder / "recording", folder / "log"
        with copy.open("wb") as target:  # ffmpeg has to seek, and a file object may have no path
            shutil.copyfileobj(file, target)
        words = [program, "-hide_banner", "-nostdin", "-v", "error", "-threads", "1"]
        words += ["-protocol_whitelist", "file", "-f", container.demuxer, "-i", f"file:{copy}"]
        words += ["-map", "0:a:0", "-c:a", "pcm_f32le", "-f", "wav", "pipe:1"]
        with log.open("wb") as errors:
            try:
                process = subprocess.Popen(
                    words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
                )
            except OSError as error:
                raise AudioError(
                    f"is {container.name}, and {program} cannot be started ({error.strerror})",
                    f"install ffmpeg again, or convert it with `{_conversion(file)}`",
                ) from None
        with process:
            try:
                assert process.stdout is not None
                head = io.BytesIO(process.stdout.read(_HEADER_BYTES))
                header = read_header(head) if head.getvalue() else ""
                if isinstance(header, str):
                    if header:
                        process.kill()
                    process.wait()  # what it writes to the log is complete
                    raise AudioError(
                        f"is {container.name}, and ffmpeg finds no audio in it ({_reason(log)})",
                        "record or convert it again",
                    )
                yield header.sample_rate, _frames(process, head.read(), header, log)
            finally:
                process.kill()


def _frames(
    process: subprocess.Popen[bytes], rest: bytes, header: WavHeader, log: Path
) -> Iterator[NDArray[np.float32]]:
    assert process.stdout is not None
    frame = header.dtype.itemsize * header.channels
    while True:
        piece = process.stdout.read(_READ_BYTES)
        data = rest + piece
        whole = len(data) // frame * frame
        rest = data[whole:]
        if whole:
            yield pcm_samples(data[:whole], header.dtype).reshape(-1, header.channels)
        if not piece:
            break
    if process.wait():
        raise AudioError(
            f"cannot be decoded to its end ({_reason(log)})", "copy or convert it again"
        )


def _conversion(file: Any) -> str:
    """Return the command that converts a recording, for a message."""
    name = getattr(file, "name", None)
    path = os.path.basename(name) if isinstance(name, str) and name else "recording"
    return shlex.join(["ffmpeg", "-i", path, f"{os.path.splitext(path)[0]}.wav"])


def _reason(log: Path) -> str:
    """Return the first line that ffmpeg wrote, without the part of it that wrote the line."""
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return re.sub(r"^(\[[^\]]*\] *)+", "", lines[0]).strip()[:200] or "it does not say why"
