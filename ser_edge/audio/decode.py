"""Decode a part of a recording, piece by piece.

WAV is decoded with NumPy, other formats with soundfile, and those of phones and browsers with
ffmpeg.
"""

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ser_edge.audio.containers import container_of
from ser_edge.audio.mono import to_mono
from ser_edge.audio.wav import WavHeader, check_header_rate, read_frames, read_header
from ser_edge.checks import check_number
from ser_edge.errors import AudioError

# Numbers decoded at once: headers may state any length, and a long file should not fill the memory.
_PIECE = 1 << 17
# libsndfile's length of a stream whose length is unknown.
_UNKNOWN = 2**63 - 1


@dataclass(frozen=True)
class Part:
    """The part of a recording to decode; raises `ConfigError` for a value out of range.

    Parameters
    ----------
    offset_s : float >= 0
        Its start [s].
    duration_s : float >= 0, optional
        Its maximum length [s]; the default is to the end.
    max_s : float > 0, optional
        Maximum length to decode [s].
    """

    offset_s: float = 0.0
    duration_s: float | None = None
    max_s: float | None = None

    def __post_init__(self) -> None:
        check_number("offset_s", self.offset_s, 0, unit="seconds")
        if self.duration_s is not None:
            check_number("duration_s", self.duration_s, 0, unit="seconds")
        if self.max_s is not None:
            check_number("max_s", self.max_s, 0, exclusive=True, unit="seconds")

    def span(self, n: int, sample_rate: int) -> tuple[int, int]:
        """Return the first frame and the number of frames, in a recording of ``n`` frames.

        Both are rounded down, as librosa does. Raises `AudioError` if the part is empty or longer
        than ``max_s``.

        Examples
        --------
        >>> from ser_edge.audio.decode import Part
        >>> Part(offset_s=0.6, duration_s=2.5).span(48000, 16000)
        (9600, 38400)
        """
        if not n:
            raise AudioError("has no samples, expected at least one", "record it again")
        first = int(self.offset_s * sample_rate)
        count = n - first
        if self.duration_s is not None:
            count = min(int(self.duration_s * sample_rate), count)
        if count < 1:
            raise AudioError(
                f"lasts {n / sample_rate:.3f} s, and no sample is left by "
                f"offset_s={self.offset_s} and duration_s={self.duration_s}",
                "choose another offset or duration",
            )
        if self.max_s is not None and count > self.max_s * sample_rate:
            raise AudioError(
                f"lasts {count / sample_rate:.3f} s, expected at most max_s={self.max_s}",
                "give a shorter recording",
            )
        return first, count


@contextlib.contextmanager
def decoded(file: BinaryIO, part: Part) -> Iterator[tuple[int, Iterator[NDArray[np.float32]]]]:
    """Yield the sample rate of a recording and an iterator of its mono pieces.

    ``file`` has to be seekable and at the beginning of the recording. The pieces have shape (n,)
    and dtype float32; there is at least one, and every sample is finite. Raises `AudioError` if
    the recording cannot be decoded, also while the pieces are fetched.
    """
    begin = file.tell()
    header = read_header(file)
    if isinstance(header, WavHeader):
        first, count = part.span(header.n_frames, header.sample_rate)
        yield header.sample_rate, _finite(_wav_pieces(file, header, first, count))
        return
    file.seek(begin)
    container = container_of(file.read(12))
    file.seek(begin)
    if container and container.demuxer:
        from ser_edge.audio.ffmpeg import decoded_by_ffmpeg

        with decoded_by_ffmpeg(file, container) as (sample_rate, frames):
            yield check_header_rate(sample_rate), _finite(_cut(frames, part, sample_rate))
        return
    # soundfile starts at the file's first byte, and prints what a file object raises.
    whole = isinstance(file, io.BufferedReader | io.BytesIO) and not begin
    with _open_sound(file if whole else io.BytesIO(file.read()), header) as sound:
        sample_rate = check_header_rate(sound.samplerate)
        if sound.frames == _UNKNOWN and part.duration_s is None:
            raise AudioError("does not state its length", "convert it to WAV")
        first, count = part.span(sound.frames, sample_rate)
        yield sample_rate, _finite(_sound_pieces(sound, first, count))


def _wav_pieces(
    file: BinaryIO, header: WavHeader, first: int, count: int
) -> Iterator[NDArray[np.float32]]:
    size = max(1, _PIECE // header.channels)
    while count > 0:
        frames = read_frames(file, header, first, min(size, count))
        yield to_mono(frames)
        first, count = 0, count - len(frames)


def _sound_pieces(sound: Any, first: int, count: int) -> Iterator[NDArray[np.float32]]:
    from soundfile import SoundFileError

    size = max(1, _PIECE // sound.channels)
    n_decoded = 0
    try:
        if sound.seekable():
            sound.seek(first)
        else:  # GSM 6.10 and some kinds of ADPCM
            while first and (skipped := len(sound.read(min(size, first)))):
                first -= skipped
        while n_decoded < count:
            frames = sound.read(min(size, count - n_decoded), dtype="float32", always_2d=True)
            if not len(frames):
                break
            yield to_mono(frames)
            n_decoded += len(frames)
    except SoundFileError as error:
        raise AudioError(
            f"cannot be decoded to its end ({_reason(error)})", "copy or convert it again"
        ) from None
    if not n_decoded:
        raise AudioError("has no samples that can be decoded", "convert it to WAV")


def _cut(
    pieces: Iterator[NDArray[np.float32]], part: Part, sample_rate: int
) -> Iterator[NDArray[np.float32]]:
    """Yield the mono samples of a part of frames whose number is not known before."""
    first = int(part.offset_s * sample_rate)
    end = None if part.duration_s is None else first + int(part.duration_s * sample_rate)
    n_seen = n_kept = 0
    for frames in pieces:
        kept = frames[max(0, first - n_seen) : None if end is None else max(0, end - n_seen)]
        n_seen += len(frames)
        n_kept += len(kept)
        if part.max_s is not None and n_kept > part.max_s * sample_rate:
            raise AudioError(
                f"holds more than {part.max_s} s, expected at most max_s={part.max_s}",
                "give a shorter recording",
            )
        if len(kept):
            yield to_mono(kept)
        if end is not None and n_seen >= end:
            break
    if not n_kept:
        part.span(n_seen, sample_rate)  # says why


def _open_sound(file: BinaryIO, problem: str) -> Any:
    """Open a file that is not plain WAV with soundfile; `problem` is why it is not."""
    try:
        import soundfile
    except ModuleNotFoundError as error:
        if error.name != "soundfile":
            raise
        raise AudioError(
            f"{problem}, expected a PCM WAV recording",
            "convert it, or pip install 'ser-edge[audio]' for FLAC, OGG, MP3 and other WAV files",
        ) from None
    try:
        return soundfile.SoundFile(file)
    except (soundfile.SoundFileError, TypeError) as error:  # TypeError: its name ends in .raw
        raise AudioError(
            f"{problem} ({_reason(error)}), expected WAV, FLAC, OGG or MP3",
            "convert it to WAV with 16-bit PCM samples",
        ) from None


def _reason(error: Exception) -> str:
    return str(error).rsplit(": ", 1)[-1].strip().rstrip(".")


def check_finite(samples: NDArray[np.float32], first: int = 0) -> NDArray[np.float32]:
    """Return the samples, or raise `AudioError` if one is not finite.

    In the message ``samples[0]`` has the number ``first``.
    """
    finite = np.isfinite(samples)
    if not finite.all():
        at = int(finite.argmin())
        raise AudioError(
            f"sample {first + at} is {samples[at]}, expected finite samples",
            "record or convert it again",
        )
    return samples


def _finite(pieces: Iterator[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    first = 0
    for piece in pieces:
        yield check_finite(piece, first)
        first += piece.size
