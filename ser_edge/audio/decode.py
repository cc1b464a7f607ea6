"""A part of a recording, piece by piece: WAV by `wav` beside this, all else by soundfile."""

import contextlib
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ser_edge.audio.wav import WavHeader, read_frames, read_header
from ser_edge.errors import AudioError
from ser_edge.resampling import check_sample_rate

# Numbers decoded at once. soundfile's headers may promise any length, a WAV file may be long.
_PIECE = 1 << 17
# What libsndfile says of a stream without a length.
_UNKNOWN = 2**63 - 1


@dataclass(frozen=True)
class Part:
    """Which part of a recording is wanted, and how long it may be.

    Parameters
    ----------
    offset_s : float >= 0
        Where it starts [s].
    duration_s : float >= 0, optional
        How long it is at most [s]; by default to the end.
    max_s : float > 0, optional
        How much may be decoded [s].

    Raises
    ------
    AudioError
        For a value outside these ranges.
    """

    offset_s: float = 0.0
    duration_s: float | None = None
    max_s: float | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            number = isinstance(value, int | float | np.number) and 0 <= value < math.inf
            if value is not None and not (number and (value or name != "max_s")):
                least = "more than 0" if name == "max_s" else "0 or more"
                raise AudioError(f"{name}={value!r}; expected a number of seconds, {least}")

    def span(self, n: int, sample_rate: int) -> tuple[int, int]:
        """Find the part in a recording of ``n`` frames.

        Returns
        -------
        first, count : int
            Its first frame and number of frames, rounded down as librosa does.

        Raises
        ------
        AudioError
            If there is nothing in it, or more than ``max_s``.

        Examples
        --------
        >>> from ser_edge.audio.decode import Part
        >>> Part(offset_s=0.6, duration_s=2.5).span(48000, 16000)
        (9600, 38400)
        """
        if not n:
            raise AudioError("holds no samples; expected at least one, record it again")
        first = int(self.offset_s * sample_rate)
        count = (
            n - first
            if self.duration_s is None
            else min(int(self.duration_s * sample_rate), n - first)
        )
        if count < 1:
            raise AudioError(
                f"holds {n / sample_rate:.3f} s, of which offset_s={self.offset_s} and "
                f"duration_s={self.duration_s} leave no sample; choose others"
            )
        if self.max_s is not None and count > self.max_s * sample_rate:
            raise AudioError(
                f"holds {count / sample_rate:.3f} s; expected at most max_s={self.max_s}, "
                "give a shorter recording"
            )
        return first, count


@contextlib.contextmanager
def decoded(file: BinaryIO, part: Part) -> Iterator[tuple[int, Iterator[NDArray[np.float32]]]]:
    """Open a recording for decoding.

    Parameters
    ----------
    file : binary file object
        One that can seek, at the beginning of the recording.
    part : Part
        What to decode.

    Yields
    ------
    sample_rate : int
        In Hz.
    pieces : iterator of np.ndarray [shape=(n,), dtype=float32]
        The mean over the channels; every sample is finite, and there is at least one.

    Raises
    ------
    AudioError
        If it cannot be decoded, here or while the pieces are fetched.

    Examples
    --------
    >>> import io, wave
    >>> from ser_edge.audio.decode import Part, decoded
    >>> file = io.BytesIO()
    >>> with wave.open(file, "wb") as wav:
    ...     wav.setparams((1, 2, 16000, 0, "NONE", ""))
    ...     wav.writeframes(bytes(400_000))
    >>> start = file.seek(0)
    >>> with decoded(file, Part(offset_s=2.0)) as (sample_rate, pieces):
    ...     sample_rate, [piece.size for piece in pieces]
    (16000, [131072, 36928])
    """
    begin = file.tell()
    header = read_header(file)
    if isinstance(header, WavHeader):
        first, count = part.span(header.n_frames, header.sample_rate)
        yield header.sample_rate, _finite(_wav_pieces(file, header, first, count))
        return
    file.seek(begin)
    with _open_sound(io.BytesIO(file.read()) if begin else file, header) as sound:
        sample_rate = int(sound.samplerate)
        check_sample_rate(sample_rate)
        if sound.frames == _UNKNOWN and part.duration_s is None:
            raise AudioError("does not say how long it is; convert it to WAV")
        first, count = part.span(sound.frames, sample_rate)
        yield sample_rate, _finite(_sound_pieces(sound, first, count))


def _wav_pieces(
    file: BinaryIO, header: WavHeader, first: int, count: int
) -> Iterator[NDArray[np.float32]]:
    size = max(1, _PIECE // header.channels)
    while count > 0:
        frames = read_frames(file, header, first, min(size, count))
        yield _mono(frames)
        first, count = 0, count - len(frames)


def _sound_pieces(sound: Any, first: int, count: int) -> Iterator[NDArray[np.float32]]:
    from soundfile import SoundFileError

    size = max(1, _PIECE // sound.channels)
    decoded = 0
    try:
        sound.seek(first)
        while decoded < count:
            frames = sound.read(min(size, count - decoded), dtype="float32", always_2d=True)
            if not len(frames):
                break
            yield _mono(frames)
            decoded += len(frames)
    except SoundFileError as error:
        raise AudioError(
            f"cannot be decoded to its end ({_reason(error)}); copy or convert it again"
        ) from None
    if not decoded:
        raise AudioError("holds no samples that could be decoded; convert it to WAV")


def _open_sound(file: BinaryIO, found: str) -> Any:
    """Open what is not plain WAV with soundfile, if that is there."""
    try:
        import soundfile
    except ModuleNotFoundError as error:
        if error.name != "soundfile":
            raise
        raise AudioError(
            f"{found}; expected a PCM WAV recording, convert it or "
            "pip install 'ser-edge[audio]' for FLAC, OGG and MP3"
        ) from None
    try:
        return soundfile.SoundFile(file)
    except (soundfile.SoundFileError, TypeError) as error:  # TypeError: its name ends in .raw
        raise AudioError(f"{found} ({_reason(error)}); expected WAV, FLAC, OGG or MP3") from None


def _reason(error: Exception) -> str:
    return str(error).rsplit(": ", 1)[-1].strip().rstrip(".")


def _mono(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean over the channels; of two it is written out: the same bits, many times faster."""
    channels = frames.T
    with np.errstate(over="ignore", invalid="ignore"):
        if len(channels) == 1:
            mono = channels[0]
        elif len(channels) == 2:
            mono = (channels[0] + channels[1]) / 2
        else:
            mono = channels.mean(axis=0)
    return np.require(mono, np.float32, ["C", "W"])


def check_finite(samples: NDArray[np.float32], first: int = 0) -> NDArray[np.float32]:
    """Return the samples, of which the first is number ``first``, if all are finite.

    Raises
    ------
    AudioError
        If one is not.
    """
    finite = np.isfinite(samples)
    if not finite.all():
        at = int(finite.argmin())
        raise AudioError(
            f"sample {first + at} is {samples[at]}; expected finite samples, "
            "record or convert again"
        )
    return samples


def _finite(pieces: Iterator[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    first = 0
    for piece in pieces:
        yield check_finite(piece, first)
        first += piece.size
