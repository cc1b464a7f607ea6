"""Audio sources: a microphone, a pipe, or a file, also in real time."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from ser_edge.audio import AudioSource, blocks
from ser_edge.checks import check_choice, check_number
from ser_edge.errors import AudioError
from ser_edge.resampling import check_sample_rate

PCM = {"u8": "u1", "s16": "<i2", "s32": "<i4", "f32": "<f4"}
"""NumPy's dtypes of `ser_edge.choices.PCM_FORMATS`."""

_MAX_CHANNELS = 64  # more than most microphone arrays; beyond that a value is a typing error
_CHUNK_S = 0.05  # a tenth of a hop: adds little latency
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
        self._stream, self._dtype, self._channels = stream, np.dtype(PCM[format]), channels
        self._closed = False

    def chunks(self) -> Iterator[NDArray[Any]]:
        """Yield samples until the pipe ends."""
        frame = self._dtype.itemsize * self._channels
        n_bytes = round(_CHUNK_S * self.sample_rate) * frame
        # Unbuffered: it returns what is there, and a thread blocked in it does not stop the exit.
        read = getattr(self._stream, "raw", self._stream).read
        rest = b""
        while not self._closed and (data := read(n_bytes)):
            data = rest + data
            whole = len(data) // frame * frame
            rest = data[whole:]
            samples = np.frombuffer(data[:whole], self._dtype)
            if self._channels > 1:
                samples = _mean(samples.reshape(-1, self._channels))
            yield samples

    def close(self) -> None:
        """Stop after the current chunk."""
        self._closed = True


def _mean(frames: NDArray[Any]) -> NDArray[Any]:
    mean = frames.mean(axis=1)
    if frames.dtype.kind == "f":
        return np.asarray(mean, np.float32)
    return np.asarray(np.round(mean), frames.dtype)


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
        self.name, self.sample_rate, self._realtime = str(recording), sample_rate, realtime
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

    Parameters
    ----------
    device : int or str, optional
        Number or part of the name; by default the system's.
    sample_rate : int, optional
        In Hz; by default the device's own.
    """

    def __init__(self, device: int | str | None = None, sample_rate: int | None = None) -> None:
        sounddevice = _sounddevice()
        if sample_rate is not None:
            check_sample_rate(sample_rate)
        try:
            found = sounddevice.query_devices(device, "input")
            self.sample_rate = int(sample_rate or found["default_samplerate"])
            self._arrived: queue.SimpleQueue[NDArray[Any] | None] = queue.SimpleQueue()
            self._stream = sounddevice.InputStream(
                samplerate=self.sample_rate,
                device=device,
                channels=1,
                dtype="int16",
                blocksize=round(_CHUNK_S * self.sample_rate),
                callback=lambda data, *_: self._arrived.put(data[:, 0].copy()),
                finished_callback=lambda: self._arrived.put(None),
            )
        except (sounddevice.PortAudioError, ValueError) as error:
            raise AudioError(
                f"the microphone{'' if device is None else f' {device!r}'} cannot be opened "
                f"({error})",
                "`ser-edge listen --devices` lists the microphones",
            ) from None
        self.name = str(found["name"])
        self._closed = False

    def chunks(self) -> Iterator[NDArray[Any]]:
        """Yield samples until `close`; an unplugged microphone raises `AudioError`."""
        with self._stream:
            while True:
                try:
                    data = self._arrived.get(timeout=_LOST_S)
                except queue.Empty:
                    data = None
                if self._closed:
                    return
                if data is None:
                    raise AudioError("the microphone was lost", "plug it in again", self.name)
                yield data

    def close(self) -> None:
        """Stop after the current chunk."""
        self._closed = True
        self._arrived.put(None)


def devices() -> list[str]:
    """Return a line for each input device; none raises `AudioError`."""
    sounddevice = _sounddevice()
    found = [
        f"{number:3}  {device['name']}, {device['default_samplerate']:.0f} Hz"
        for number, device in enumerate(sounddevice.query_devices())
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
