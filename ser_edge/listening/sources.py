"""Audio sources: a microphone, a pipe, or a file, also in real time."""

from __future__ import annotations

import itertools
import queue
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from ser_edge.audio import AudioSource, blocks, source_name
from ser_edge.audio.containers import container_of
from ser_edge.audio.mono import to_mono
from ser_edge.audio.wav import full_scale, read_pipe_header
from ser_edge.checks import check_choice, check_number
from ser_edge.errors import AudioError, error_source
from ser_edge.resampling import check_sample_rate

PCM = {"u8": "u1", "s16": "<i2", "s32": "<i4", "f32": "<f4"}
"""NumPy's dtypes of `ser_edge.choices.PCM_FORMATS`."""

_MAX_CHANNELS = 64  # more than most microphone arrays; beyond that a value is a typing error
_CHUNK_S = 0.05  # a tenth of a hop: adds little latency
# What to try after a microphone's preferred settings.
_RATES = (48000, 44100, 16000)
_SAMPLE_TYPES = ("int16", "int32", "float32")
_LOST_S = 3.0  # without any samples, after which the microphone counts as unplugged


class SampleSource(Protocol):
    """A source of mono samples that another thread can stop."""

    name: str
    sample_rate: int

    def chunks(self) -> Iterator[NDArray[Any]]:
        """Yield samples [shape=(n,)] as they arrive."""
        ...

    def close(self) -> None:
        """End `chunks`, which releases the device or file."""
        ...


class PcmSource:
    """Raw samples from a pipe, such as the output of ``arecord``.

    A WAV file may come through the pipe too, if its header states the same settings.

    Parameters
    ----------
    stream : binary file object
        Standard input.
    sample_rate : int in [8000, 192000]
        In Hz.
    format : {"u8", "s16", "s32", "f32"}
        Of a sample, little-endian.
    channels : int in [1, 64]
        Interleaved channels; `chunks` yields their mean.
    """

    def __init__(self, stream: BinaryIO, sample_rate: int, format: str, channels: int = 1) -> None:
        check_sample_rate(sample_rate)
        check_choice("format", format, PCM)
        check_number("channels", channels, 1, _MAX_CHANNELS, integer=True)
        self.name, self.sample_rate = "standard input", sample_rate
        self._dtype, self._channels = np.dtype(PCM[format]), channels
        # Unbuffered: it returns what is there, and a thread blocked in it does not stop the exit.
        self._read_some = getattr(stream, "raw", stream).read
        self._closed = False

    def chunks(self) -> Iterator[NDArray[Any]]:
        """Yield samples until the pipe ends; `AudioError` if it holds another format."""
        frame = self._dtype.itemsize * self._channels
        rest = b""
        for data in self._pieces(round(_CHUNK_S * self.sample_rate) * frame):
            data = rest + data
            whole = len(data) // frame * frame
            rest = data[whole:]
            samples = np.frombuffer(data[:whole], self._dtype)
            if self._channels > 1:
                samples = to_mono(full_scale(samples.reshape(-1, self._channels)))
            yield samples

    def close(self) -> None:
        """Stop after the current chunk."""
        self._closed = True

    def _pieces(self, n_bytes: int) -> Iterator[bytes]:
        """Yield the bytes of the samples as they arrive, at most `n_bytes` at once."""
        head, left = self._read(12), None
        is_wav = head[:4] == b"RIFF" and head[8:] == b"WAVE"
        with error_source(self.name):
            if is_wav:
                left = self._read_header()
            else:
                _check_raw(head)
        if not is_wav:
            yield head
        while not self._closed and left != 0:
            data = self._read_once(n_bytes if left is None else min(n_bytes, left))
            if not data:
                return
            left = None if left is None else left - len(data)
            yield data

    def _read_header(self) -> int | None:
        """Read the rest of a WAV header, and return the bytes of audio that it states."""
        found = read_pipe_header(self._read)
        if isinstance(found, str):
            raise AudioError(f"{found}, which --stdin does not read", "give it as FILE")
        header, n_bytes = found
        given = _options(self.sample_rate, self._dtype, self._channels)
        stated = _options(header.sample_rate, header.dtype, header.channels)
        if given != stated:
            raise AudioError(
                f"is a WAV file for `{stated}`, expected `{given}`", "give the options of the file"
            )
        return n_bytes

    def _read(self, n_bytes: int) -> bytes:
        data = b""
        while len(data) < n_bytes and (piece := self._read_once(n_bytes - len(data))):
            data += piece
        return data

    def _read_once(self, n_bytes: int) -> bytes:
        try:
            return self._read_some(n_bytes) or b""
        except (OSError, ValueError) as error:  # ValueError: it was closed
            reason = getattr(error, "strerror", None) or error
            raise AudioError(f"cannot be read ({reason})", "pipe it again", self.name) from error


def _check_raw(head: bytes) -> None:
    container = container_of(head)
    if container and not head.startswith(b"\xff"):  # raw samples may begin with these two bytes
        raise AudioError(
            f"is {container.name}, expected raw samples or WAV",
            "give the recording as FILE, or decode it first",
        )


def _options(sample_rate: int, dtype: np.dtype[Any], channels: int) -> str:
    """Return the options of `ser-edge listen --stdin` for these samples."""
    names = [name for name, of in PCM.items() if np.dtype(of) == dtype]
    if not names:
        raise AudioError(
            f"is a WAV file of {8 * dtype.itemsize}-bit samples, expected one of {', '.join(PCM)}",
            "give it as FILE",
        )
    return f"--sample-rate {sample_rate} --format {names[0]} --channels {channels}"


class FileSource:
    """A recording, as fast as it can be read or in real time.

    Parameters
    ----------
    recording : path, bytes-like or binary file object
        A WAV file; other formats with ``soundfile``.
    sample_rate : int
        Sample rate to convert it to [Hz].
    realtime : bool
        Whether each chunk arrives when a microphone would have delivered it.
    """

    def __init__(self, recording: AudioSource, sample_rate: int, *, realtime: bool) -> None:
        self.name, self.sample_rate, self._realtime = source_name(recording), sample_rate, realtime
        self._blocks = blocks(recording, sample_rate, block_s=_CHUNK_S if realtime else 1.0)
        self._closed = False

    def chunks(self) -> Iterator[NDArray[Any]]:
        """Yield samples until the recording ends."""
        start_s, n_samples = time.monotonic(), 0
        for block in self._blocks:
            n_samples += len(block)
            if self._realtime:
                time.sleep(max(0.0, start_s + n_samples / self.sample_rate - time.monotonic()))
            if self._closed:
                return
            yield block

    def close(self) -> None:
        """Stop before the next chunk."""
        self._closed = True


class Microphone:
    """A sound card's input, through ``sounddevice`` (PortAudio).

    A device that refuses one channel of 16 bit or the sample rate is opened with what it has.

    Parameters
    ----------
    device : int or str, optional
        Number or part of the name; by default the system's.
    sample_rate : int, optional
        Preferred rate in Hz; by default the device's own. The attribute ``sample_rate`` is the
        one in use.
    """

    def __init__(self, device: int | str | None = None, sample_rate: int | None = None) -> None:
        sounddevice = _sounddevice()
        if sample_rate is not None:
            check_sample_rate(sample_rate)
        self._failure: type[Exception] = sounddevice.PortAudioError
        self._arrived: queue.SimpleQueue[NDArray[Any] | None] = queue.SimpleQueue()
        try:
            found = sounddevice.query_devices(device, "input")
            own_rate, most = int(found["default_samplerate"]), int(found["max_input_channels"])
            self.sample_rate, self._stream = self._open(
                sounddevice, device, [sample_rate or own_rate, own_rate, *_RATES], [1, 2, most]
            )
        except (self._failure, ValueError) as error:
            raise AudioError(
                f"the microphone{'' if device is None else f' {device!r}'} cannot be opened "
                f"({error})",
                "`ser-edge listen --devices` lists the microphones",
            ) from None
        self.name = str(found["name"])
        self._closed = False

    def _open(
        self, sounddevice: Any, device: int | str | None, rates: list[int], channels: list[int]
    ) -> tuple[int, Any]:
        """Return the first sample rate that the device has, and its stream."""
        first: Exception | None = None
        settings = itertools.product(dict.fromkeys(rates), dict.fromkeys(channels), _SAMPLE_TYPES)
        for rate, n_channels, dtype in settings:
            try:
                return rate, sounddevice.InputStream(
                    samplerate=rate,
                    device=device,
                    channels=n_channels,
                    dtype=dtype,
                    blocksize=round(_CHUNK_S * rate),
                    callback=lambda data, *_: self._arrived.put(data.copy()),
                    finished_callback=lambda: self._arrived.put(None),
                )
            except (self._failure, ValueError) as error:
                first = first or error
        assert first is not None
        raise first

    def chunks(self) -> Iterator[NDArray[Any]]:
        """Yield samples until `close`; an unplugged microphone raises `AudioError`."""
        with ExitStack() as stack:
            try:
                stack.enter_context(self._stream)
            except self._failure as error:
                raise AudioError(
                    f"the microphone cannot be started ({error})", "plug it in again", self.name
                ) from None
            while True:
                try:
                    data = self._arrived.get(timeout=_LOST_S)
                except queue.Empty:
                    data = None
                if self._closed:
                    return
                if data is None:
                    raise AudioError("the microphone was lost", "plug it in again", self.name)
                yield data[:, 0] if data.shape[1] == 1 else to_mono(full_scale(data))

    def close(self) -> None:
        """Stop after the current chunk."""
        self._closed = True
        self._arrived.put(None)


def devices() -> list[str]:
    """Return a line for each input device; none raises `AudioError`."""
    sounddevice = _sounddevice()
    try:
        every = sounddevice.query_devices()
    except sounddevice.PortAudioError as error:
        raise AudioError(
            f"the sound cards cannot be listed ({error})", "check them with `arecord -l`"
        ) from None
    found = [
        f"{number:3}  {device['name']}, {device['default_samplerate']:.0f} Hz"
        for number, device in enumerate(every)
        if device["max_input_channels"]
    ]
    if not found:
        raise AudioError("there is no microphone", "plug one in, or pipe audio in with --stdin")
    return found


def _sounddevice() -> Any:
    try:
        import sounddevice
    except OSError as error:  # the library behind it is missing
        raise AudioError(
            f"sounddevice cannot be loaded ({error})",
            "install PortAudio, such as `apt install libportaudio2`",
        ) from None
    return sounddevice
