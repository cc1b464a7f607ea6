"""Where sound comes from: a microphone, a pipe, or a file as if it were spoken now."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from ser_edge.audio import AudioSource as Recording
from ser_edge.audio import blocks
from ser_edge.errors import AudioError, ConfigError
from ser_edge.resampling import check_sample_rate

PCM = {"u8": "u1", "s16": "<i2", "s32": "<i4", "f32": "<f4"}
"""Formats of raw samples, by the names that ALSA and ffmpeg share."""

_CHUNK_S = 0.05
_LOST_S = 3.0  # without any sound, after which a microphone is taken for lost


class Source(Protocol):
    """Something that yields mono samples, and can be told to stop from another thread."""

    name: str
    sample_rate: int

    def chunks(self) -> Iterator[NDArray[Any]]:
        """Yield samples [shape=(n,)] as they come."""
        ...

    def close(self) -> None:
        """Let go of the device or file; `chunks` ends."""
        ...


class PcmSource:
    """Raw samples from a pipe, such as ``arecord`` writes them.

    Parameters
    ----------
    stream : binary file object
        Standard input.
    sample_rate : int in [8000, 192000]
        Samples a second [Hz].
    format : {"u8", "s16", "s32", "f32"}
        Of a sample; several bytes are little-endian.
    channels : int > 0
        Whose mean is heard.
    """

    def __init__(self, stream: BinaryIO, sample_rate: int, format: str, channels: int = 1) -> None:
        check_sample_rate(sample_rate)
        if format not in PCM:
            raise ConfigError(f"format={format!r}; expected one of {', '.join(PCM)}")
        self.name, self.sample_rate = "standard input", sample_rate
        self._stream, self._dtype, self._channels = stream, np.dtype(PCM[format]), channels
        self._closed = False

    def chunks(self) -> Iterator[NDArray[Any]]:
        """Yield samples until the pipe ends."""
        frame = self._dtype.itemsize * self._channels
        most = max(1, round(_CHUNK_S * self.sample_rate)) * frame
        # Unbuffered: it returns what there is, and a thread that waits in it can be left behind.
        read = getattr(self._stream, "raw", self._stream).read
        rest = b""
        while not self._closed and (data := read(most)):
            data = rest + data
            whole = len(data) // frame * frame
            rest = data[whole:]
            samples = np.frombuffer(data[:whole], self._dtype)
            if self._channels > 1:
                samples = _mean(samples.reshape(-1, self._channels))
            yield samples

    def close(self) -> None:
        """Stop after the chunk that is being read."""
        self._closed = True


def _mean(frames: NDArray[Any]) -> NDArray[Any]:
    mean = frames.mean(axis=1)
    if frames.dtype.kind == "f":
        return np.asarray(mean, np.float32)
    return np.asarray(np.round(mean), frames.dtype)


class FileSource:
    """A recording, as fast as it can be read or as if it were spoken now.

    Parameters
    ----------
    recording : path, bytes-like or binary file object
        A WAV file; others with ``soundfile``.
    sample_rate : int
        Samples a second that are wanted [Hz].
    realtime : bool
        Whether each chunk comes when it would have been spoken.
    """

    def __init__(self, recording: Recording, sample_rate: int, *, realtime: bool) -> None:
        self.name, self.sample_rate, self._realtime = str(recording), sample_rate, realtime
        self._blocks = blocks(recording, sample_rate, block_s=_CHUNK_S if realtime else 1.0)
        self._closed = False

    def chunks(self) -> Iterator[NDArray[Any]]:
        """Yield samples until the recording ends."""
        began, n_samples = time.monotonic(), 0
        for block in self._blocks:
            n_samples += len(block)
            if self._realtime:
                time.sleep(max(0.0, began + n_samples / self.sample_rate - time.monotonic()))
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
        Samples a second [Hz]; by default the device's own.

    Raises
    ------
    ModuleNotFoundError
        If ``sounddevice`` is not installed.
    AudioError
        If there is no such device, or it cannot be opened.
    """

    def __init__(self, device: int | str | None = None, sample_rate: int | None = None) -> None:
        sounddevice = _sounddevice()
        try:
            found = sounddevice.query_devices(device, "input")
            self.sample_rate = int(sample_rate or found["default_samplerate"])
            check_sample_rate(self.sample_rate)
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
                f"({error}); `ser-edge listen --devices` lists what there is"
            ) from None
        self.name = str(found["name"])
        self._closed = False

    def chunks(self) -> Iterator[NDArray[Any]]:
        """Yield samples until `close`.

        Raises
        ------
        AudioError
            If the microphone is unplugged, or says nothing any more.
        """
        with self._stream:
            while True:
                try:
                    data = self._arrived.get(timeout=_LOST_S)
                except queue.Empty:
                    data = None
                if self._closed:
                    return
                if data is None:
                    raise AudioError(f"{self.name}: the microphone was lost; plug it in again")
                yield data

    def close(self) -> None:
        """Stop after the chunk that has come."""
        self._closed = True
        self._arrived.put(None)


def devices() -> list[str]:
    """Return a line for each input device.

    Raises
    ------
    ModuleNotFoundError
        If ``sounddevice`` is not installed.
    AudioError
        If there is none.
    """
    sounddevice = _sounddevice()
    found = [
        f"{number:3}  {device['name']}, {device['default_samplerate']:.0f} Hz"
        for number, device in enumerate(sounddevice.query_devices())
        if device["max_input_channels"]
    ]
    if not found:
        raise AudioError("there is no microphone; plug one in, or pipe sound in with --stdin")
    return found


def _sounddevice() -> Any:
    try:
        import sounddevice
    except OSError as error:  # the library behind it is missing
        raise AudioError(
            f"sounddevice cannot be loaded ({error}); install PortAudio, such as "
            "`apt install libportaudio2`"
        ) from None
    return sounddevice
