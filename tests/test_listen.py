"""`ser-edge listen`: sources, a capture that never waits, events, and clean ends."""

from __future__ import annotations

import io
import json
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hanging import HANG_S
from numpy.typing import NDArray
from raising import raises
from recordings import chunk, fmt, riff

from ser_edge import AudioError, Classifier, ConfigError, Segment, Stream
from ser_edge.audio import as_signal
from ser_edge.audio.wav import full_scale
from ser_edge.choices import PCM_FORMATS
from ser_edge.cli.command_line import main
from ser_edge.listening.capture import Capture
from ser_edge.listening.events import Event, Events
from ser_edge.listening.session import Status, listen
from ser_edge.listening.sources import PCM, FileSource, Microphone, PcmSource, devices
from ser_edge.listening.view import View

RATE = 16000
COMMAND = str(Path(sys.executable).with_name("ser-edge"))


@pytest.fixture
def talk() -> NDArray[np.int16]:
    time_s = np.arange(14 * RATE) / RATE
    tone = sum(np.sin(2 * np.pi * 140 * k * time_s) / k for k in range(1, 10))
    tone *= np.maximum(np.sin(9 * time_s), 0) ** 2
    tone[6 * RATE : 9 * RATE] = 0
    return np.asarray(6000 * tone, np.int16)


@pytest.fixture
def stream(bundle_dir: Path) -> Stream:
    return Stream(Classifier.load(bundle_dir, backend="numeric"), RATE)


class Clock:
    """A clock that only `sleep` and a test advance."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def wait(event: threading.Event) -> None:
    assert event.wait(HANG_S)


class Given:
    """A source that yields what it was given; a test may delay each chunk."""

    name = "given"
    sample_rate = RATE

    def __init__(
        self, chunks: list[NDArray[Any]], before: Callable[[int], object] = lambda number: None
    ) -> None:
        self._chunks, self._before = chunks, before
        self.closed = False
        self.exhausted = threading.Event()

    def chunks(self) -> Iterator[NDArray[Any]]:
        for number, samples in enumerate(self._chunks):
            self._before(number)
            if self.closed:
                return
            yield samples
        self.exhausted.set()

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(("format", "dtype"), [("u8", "u1"), ("s16", "<i2"), ("f32", "<f4")])
@pytest.mark.parametrize("channels", [1, 2])
def test_raw_samples_come_through_a_pipe(format: str, dtype: str, channels: int) -> None:
    rng = np.random.default_rng(0)
    frames = (100 * rng.uniform(0, 1, (5000, channels))).astype(dtype)
    # A pipe does not keep to whole samples.
    source = PcmSource(
        io.BytesIO(frames.tobytes() + b"\1" * (frames[0].nbytes > 1)), RATE, format, channels
    )
    found = np.concatenate(list(source.chunks()))
    assert found.dtype == (dtype if channels == 1 else np.float32)
    expected = full_scale(frames).mean(axis=1)
    np.testing.assert_allclose(full_scale(found), expected, rtol=1e-6)


def test_pipes_that_cannot_be() -> None:
    with raises(ConfigError, "format='mp3'"):
        PcmSource(io.BytesIO(), RATE, "mp3")
    with raises(ConfigError, 4000):
        PcmSource(io.BytesIO(), 4000, "s16")
    for channels in (0, 65, 10**8, 1.5):
        with raises(ConfigError, f"channels={channels}", "1 to 64"):
            PcmSource(io.BytesIO(), RATE, "s16", channels)  # type: ignore[arg-type]


def wav_in_a_pipe(frames: NDArray[Any], *chunks: bytes, length: int | None = None) -> bytes:
    bits = 8 * frames.dtype.itemsize
    form = fmt(3 if frames.dtype.kind == "f" else 1, frames.shape[1], RATE, bits)
    data = chunk(b"data", frames.tobytes(), length)
    return riff(chunk(b"JUNK", b"x" * 77), chunk(b"fmt ", form), data, *chunks)


@pytest.mark.parametrize("format", PCM)
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("length", [None, 0, 0xFFFFFFFF])
def test_a_wav_file_through_a_pipe(format: str, channels: int, length: int | None) -> None:
    frames = (100 * np.random.default_rng(0).uniform(0, 1, (5000, channels))).astype(PCM[format])
    metadata = [chunk(b"LIST", b"INFO" + b"x" * 3000)] if length is None else []
    data = wav_in_a_pipe(frames, *metadata, length=length)
    found = np.concatenate(list(PcmSource(io.BytesIO(data), RATE, format, channels).chunks()))
    np.testing.assert_allclose(full_scale(found), full_scale(frames).mean(axis=1), rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ((8000, "s16", 2), "--sample-rate 8000 --format s16 --channels 2"),
        ((16000, "s16", 1), "--sample-rate 16000 --format s16 --channels 1"),
        ((16000, "s32", 2), "--sample-rate 16000 --format s32 --channels 2"),
    ],
)
def test_a_wav_file_of_other_settings_is_refused(
    options: tuple[int, str, int], wanted: str
) -> None:
    data = wav_in_a_pipe(np.zeros((100, 2), "<i2"))
    stated = "--sample-rate 16000 --format s16 --channels 2"
    with raises(AudioError, f"for `{stated}`, expected `{wanted}`", source="standard input"):
        list(PcmSource(io.BytesIO(data), *options).chunks())


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"fLaC" + bytes(99), "FLAC"),
        (b"OggS" + bytes(99), "OGG"),
        (b"\0\0\0\x20ftypM4A " + bytes(99), "m4a"),
        (b"\x1a\x45\xdf\xa3" + bytes(99), "WebM"),
        (wav_in_a_pipe(np.zeros((9, 1), "<f8")), "64-bit"),
        (riff(chunk(b"fmt ", fmt(bits=24)), chunk(b"data", bytes(99))), "24-bit"),
        (riff(chunk(b"fmt ", fmt(7)), chunk(b"data", bytes(99))), "0x0007"),
        (riff(chunk(b"fmt ", fmt())), "no audio"),
        (riff(chunk(b"JUNK", b"", 0xFFFFFFFF)), "no audio"),
        (riff(chunk(b"data", bytes(99))), "0 format bytes"),
    ],
)
def test_other_formats_through_a_pipe_are_refused(data: bytes, value: str) -> None:
    with raises(AudioError, value, source="standard input"):
        list(PcmSource(io.BytesIO(data), RATE, "s16").chunks())


@pytest.mark.parametrize("data", [b"", b"\1", b"RIFF", b"RIFF\1\2\3\4wave", b"\xff\xf1\1\2"])
def test_short_pipes_are_samples(data: bytes) -> None:
    chunks = list(PcmSource(io.BytesIO(data), RATE, "s16").chunks())
    found = b"".join(samples.tobytes() for samples in chunks)
    assert found == data[: len(data) // 2 * 2]


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), ValueError("closed file")])
@pytest.mark.parametrize("n_reads", [0, 3])
def test_a_pipe_that_fails(stream: Stream, error: Exception, n_reads: int) -> None:
    class Failing(io.BytesIO):
        n_left = n_reads

        def read(self, size: int | None = -1, /) -> bytes:
            self.n_left -= 1
            if self.n_left < 0:
                raise error
            return super().read(size)

    source = PcmSource(Failing(bytes(9999)), RATE, "s16")
    value = getattr(error, "strerror", None) or error
    with raises(AudioError, value, source="standard input"):
        listen(source, stream, on_event=lambda _: None)


def test_a_defect_in_a_source_is_not_lost(stream: Stream) -> None:
    class Defective(Given):
        def chunks(self) -> Iterator[NDArray[Any]]:
            raise ZeroDivisionError
            yield

    with pytest.raises(ZeroDivisionError):
        listen(Defective([]), stream, on_event=lambda _: None)


@pytest.mark.parametrize("gain", [1, -1])
def test_channels_of_a_pipe_do_not_cancel(talk: NDArray[np.int16], gain: int) -> None:
    frames = np.stack([talk, gain * talk], axis=1)
    source = PcmSource(io.BytesIO(frames.tobytes()), RATE, "s16", 2)
    np.testing.assert_array_equal(np.concatenate(list(source.chunks())), full_scale(talk))


@pytest.mark.parametrize("stream_name", ["stdin", "stdout"])
def test_a_command_without_standard_streams(
    bundle_dir: Path,
    stream_name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, stream_name, None)
    words = ["listen", "--stdin", "--sample-rate", "16000", "--bundle", str(bundle_dir)]
    assert main(words) == 2
    error = capsys.readouterr().err
    assert "closed" in error
    assert error.count("\n") == 1


def test_capture_drops_the_oldest_and_counts() -> None:
    source = Given([np.full(RATE // 10, number, np.int16) for number in range(50)])
    capture = Capture(source, waits=False, capacity_s=1.0)
    capture.start()
    wait(source.exhausted)  # although nobody fetches
    samples, _ = capture.fetch(HANG_S)
    assert samples is not None
    assert np.unique(samples).tolist() == list(range(40, 50))
    assert capture.dropped_s == pytest.approx(4.0)
    assert capture.fetch(HANG_S)[0] is None


def test_a_source_that_can_wait_loses_nothing() -> None:
    chunks = [np.full(RATE // 10, number, np.int16) for number in range(50)]
    capture = Capture(Given(chunks), waits=True, capacity_s=1.0)
    capture.start()
    found: list[NDArray[Any]] = []
    while (samples := capture.fetch(HANG_S)[0]) is not None:
        found.append(samples)
    np.testing.assert_array_equal(np.concatenate(found), np.concatenate(chunks))
    assert capture.dropped_s == 0


@pytest.mark.parametrize("failure", [OSError(5, "Input/output error"), MemoryError()])
def test_a_source_that_fails_is_an_error_after_its_audio(
    stream: Stream, talk: NDArray[np.int16], failure: Exception
) -> None:
    def fail(number: int) -> None:
        if number:
            raise failure

    with raises(AudioError, source="given") as caught:
        listen(Given([talk, talk], fail), stream, on_event=lambda event: None, keep_pace=False)
    assert caught.value.__cause__ is failure
    assert stream.level_db > -60  # the first chunk was processed


def test_events_are_where_emotions_begin_and_end() -> None:
    states = ["speech", "speech", "uncertain", "speech", "speech", "silence", "speech"]
    labels = ["sad", "sad", "sad", "sad", "angry", "angry", "angry"]
    events = Events()
    found: list[Event] = []
    for number, (state, label) in enumerate(zip(states, labels, strict=True)):
        known = label if state == "speech" else None
        found += events(Segment(number, number + 1, known, 0.5, {}, state))
    found += events.end()
    assert [(e.event, e.label, e.time_s) for e in found] == [
        ("onset", "sad", 0),
        ("offset", "sad", 2),
        ("onset", "sad", 3),
        ("offset", "sad", 4),
        ("onset", "angry", 4),
        ("offset", "angry", 5),
        ("onset", "angry", 6),
        ("offset", "angry", 7),
    ]
    assert list(events.end()) == []


def test_a_session_gives_the_events_of_the_stream(
    stream: Stream, talk: NDArray[np.int16], bundle_dir: Path
) -> None:
    found: list[Event] = []
    source = PcmSource(io.BytesIO(talk.tobytes()), RATE, "s16")
    status = listen(source, stream, on_event=found.append, keep_pace=False)
    events = Events()
    again = Stream(Classifier.load(bundle_dir, backend="numeric"), RATE)
    expected = [event for segment in again.feed(talk) for event in events(segment)]
    assert found == [*expected, *events.end()]
    assert [event.event for event in found[:2]] == ["onset", "offset"]
    assert (status.skipped, status.dropped_s, status.processed_s) == (0, 0.0, 14.0)


def test_a_slow_machine_skips_windows(
    stream: Stream, talk: NDArray[np.int16], monkeypatch: pytest.MonkeyPatch
) -> None:
    feed, busy = stream.feed, threading.Event()

    def feed_slowly(samples: Any, *, latest: bool = False) -> list[Segment]:
        if len(samples) and not busy.is_set():  # until all the rest has arrived
            busy.set()
            wait(source.exhausted)
        return feed(samples, latest=latest)

    monkeypatch.setattr(stream, "feed", feed_slowly)
    source = Given(np.split(talk[: 9 * RATE], 90), lambda number: number == 0 or busy.wait(HANG_S))
    status = listen(source, stream, on_event=lambda _: None)
    assert status.skipped == int((9 - 3) / stream.hop_s)
    assert (status.processed_s, status.dropped_s) == (9.0, 0.0)


def test_dropped_audio_leaves_a_gap_in_time(
    stream: Stream, talk: NDArray[np.int16], monkeypatch: pytest.MonkeyPatch
) -> None:
    feed, busy, behind, caught_up = stream.feed, *(threading.Event() for _ in range(3))

    def feed_slowly(samples: Any, *, latest: bool = False) -> list[Segment]:
        if len(samples) and not busy.is_set():  # until chunk 300: 0.1 s fetched, 10 s kept
            busy.set()
            wait(behind)
        elif len(samples):
            caught_up.set()
        return feed(samples, latest=latest)

    def before(number: int) -> None:
        if number == 1:
            wait(busy)
        elif number == 300:
            behind.set()
            wait(caught_up)

    monkeypatch.setattr(stream, "feed", feed_slowly)
    events: list[Event] = []
    source = Given(np.split(np.concatenate([talk] * 3)[: 39 * RATE], 390), before)
    status = listen(source, stream, on_event=events.append)
    assert status.dropped_s == pytest.approx(30 - 0.1 - 10)
    assert status.processed_s == pytest.approx(39)
    assert [event.event for event in events[:2]] == ["onset", "offset"]
    assert all(0.1 + status.dropped_s - 1e-6 <= event.time_s <= 39 for event in events)


def test_a_failed_source_is_an_error_after_all_events(
    stream: Stream, talk: NDArray[np.int16]
) -> None:
    class Unplugged(Given):
        def chunks(self) -> Iterator[NDArray[Any]]:
            yield talk[: 5 * RATE]
            raise AudioError("the microphone was lost", source="mic")

    events: list[Event] = []
    with raises(AudioError, source="mic"):
        listen(Unplugged([]), stream, on_event=events.append)
    assert [event.event for event in events] == ["onset", "offset"]


@pytest.fixture
def sound_card(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A stand-in for the module ``sounddevice``; a test changes what its microphone ``has``."""

    class InputStream:
        def __init__(self, **settings: Any) -> None:
            used = settings["samplerate"], settings["channels"], settings["dtype"]
            card.tried.append(used)
            for value, legal, name in zip(
                used, card.has, ("sample rate", "number of channels", "sample format"), strict=True
            ):
                if value not in legal:
                    raise PortAudioError(f"Invalid {name}")
            card.stream = self
            self.callback, self.finished = settings["callback"], settings["finished_callback"]

        def __enter__(self) -> None:
            if card.busy:
                raise PortAudioError("Device unavailable")
            card.opened += 1

        def __exit__(self, *_: object) -> None:
            card.opened -= 1

    class PortAudioError(Exception):
        pass

    def query_devices(device: Any = None, kind: str | None = None) -> Any:
        mic = {"name": "USB mic", "max_input_channels": 6, "default_samplerate": 44100.0}
        if kind and device not in (None, 1, "USB"):
            raise ValueError(f"No input device matching {device!r}")
        return mic if kind else [{**mic, "name": "speaker", "max_input_channels": 0}, mic]

    card = SimpleNamespace(
        InputStream=InputStream,
        PortAudioError=PortAudioError,
        query_devices=query_devices,
        opened=0,
        busy=False,
        tried=[],
        has=([44100], [1, 2, 6], ["int16", "int32"]),
    )
    monkeypatch.setitem(sys.modules, "sounddevice", card)
    return card


def test_a_microphone(sound_card: SimpleNamespace) -> None:
    microphone = Microphone("USB")
    assert (microphone.name, microphone.sample_rate) == ("USB mic", 44100)
    assert devices() == ["  1  USB mic, 44100 Hz"]
    assert sound_card.tried == [(44100, 1, "int16")]
    chunks = microphone.chunks()
    sound_card.stream.callback(np.full((100, 1), 7, np.int16), 100, None, None)
    assert next(chunks).tolist() == [7] * 100
    assert sound_card.opened == 1
    sound_card.stream.finished()
    with raises(AudioError, source="USB mic"):
        next(chunks)
    assert sound_card.opened == 0
    again = Microphone(1)
    chunks = again.chunks()
    sound_card.stream.callback(np.zeros((10, 1), np.int16), 10, None, None)
    next(chunks)
    again.close()
    assert list(chunks) == []


@pytest.mark.parametrize(
    ("has", "used"),
    [
        (([44100], [2], ["int16"]), (44100, 2, "int16")),
        (([44100], [6], ["int16"]), (44100, 6, "int16")),
        (([48000], [1], ["int16"]), (48000, 1, "int16")),
        (([16000], [1], ["int16"]), (16000, 1, "int16")),
        (([44100], [1], ["int32"]), (44100, 1, "int32")),
        (([44100], [1], ["float32"]), (44100, 1, "float32")),
        (([48000], [2], ["int32"]), (48000, 2, "int32")),
        (([22050, 44100], [2], ["int16"]), (22050, 2, "int16")),
    ],
)
def test_a_microphone_is_opened_with_what_it_has(
    sound_card: SimpleNamespace, has: tuple[list[Any], ...], used: tuple[int, int, str]
) -> None:
    sound_card.has = has
    microphone = Microphone(sample_rate=22050)
    assert sound_card.tried[0] == (22050, 1, "int16")
    assert sound_card.tried[-1] == used
    assert microphone.sample_rate == used[0]
    chunks = microphone.chunks()
    half = 0.5 if used[2] == "float32" else 2 ** (8 * np.dtype(used[2]).itemsize - 2)
    frames = np.tile(np.array([[half], [-half]], used[2]), (50, used[1]))
    sound_card.stream.callback(frames, 100, None, None)
    np.testing.assert_array_equal(as_signal(next(chunks)), np.tile([0.5, -0.5], 50))


def test_a_microphone_that_does_not_start(sound_card: SimpleNamespace) -> None:
    sound_card.busy = True
    with raises(AudioError, "Device unavailable", source="USB mic"):
        next(Microphone().chunks())


def test_microphones_that_there_are_not(
    sound_card: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise sound_card.PortAudioError("no host")

    with raises(AudioError, "'x'", "--devices"):
        Microphone("x")
    sound_card.has = ([96000], [1], ["int16"])
    with raises(AudioError, "Invalid sample rate"):
        Microphone()
    with raises(ConfigError, 100):
        Microphone(sample_rate=100)
    assert main(["listen", "--devices"]) == 0
    assert capfd.readouterr().out == "  1  USB mic, 44100 Hz\n"
    monkeypatch.setattr(sound_card, "query_devices", fail)
    assert main(["listen", "--devices"]) == 1
    assert "no host" in capfd.readouterr().err
    monkeypatch.setattr(sound_card, "query_devices", lambda *_: [])
    assert main(["listen", "--devices"]) == 1
    assert capfd.readouterr().err.startswith("ser-edge: ")
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert main(["listen"]) == 1
    assert "pip install 'ser-edge[mic]'" in capfd.readouterr().err


def test_the_view(stream: Stream, talk: NDArray[np.int16]) -> None:
    console = pytest.importorskip("rich.console").Console(width=80, file=io.StringIO())
    view = View("a file", ("angry", "happy", "neutral", "sad"))
    source = PcmSource(io.BytesIO(talk.tobytes()), RATE, "s16")
    last = listen(source, stream, on_event=view.event, keep_pace=False)
    for status in (replace(last, segment=None), last):
        console.print(view._picture(status))
    text = console.file.getvalue()
    assert "listening ..." in text
    assert "█" in text
    assert "onset" in text
    assert last.latency_s >= stream.delay_s == pytest.approx(1.5 + 0.5 + 0.25, abs=0.01)
    assert f"latency {last.latency_s:.1f} s" in text


@pytest.mark.parametrize("state", ["speech", "uncertain", "silence"])
def test_the_view_shows_a_percentage_of_speech_only(stream: Stream, state: str) -> None:
    console_type = pytest.importorskip("rich.console").Console
    label = "angry" if state == "speech" else None
    segment = Segment(3, 3.5, label, 0.8, {"angry": 0.8, "sad": 0.2}, state)
    status = Status(3.5, 2.3, -30, -60, 0, 0, segment)
    console = console_type(
        width=80, file=io.StringIO(), force_terminal=True, color_system="standard"
    )
    console.print(View("mic", ("angry", "sad"))._picture(status))
    angry, sad, _, now, *_ = console.file.getvalue().splitlines()[1:]
    shown = re.sub(r"\x1b\[[\d;]*m", "", now)
    assert shown.strip() == {"speech": "angry, 80%"}.get(state, state)
    dim = "\x1b[2m"
    assert sad.count(dim) == (3 if state == "silence" else 1)
    assert angry.count(dim) == {"speech": 0, "uncertain": 1, "silence": 3}[state]


def test_samples_that_cannot_be_used_end_it_after_all_events(
    stream: Stream, talk: NDArray[np.int16]
) -> None:
    chunks: list[NDArray[Any]] = [talk[: 5 * RATE] / np.float32(32768), np.full(9, 1e19)]
    events: list[Event] = []
    begun = threading.Event()

    def on_event(event: Event) -> None:
        events.append(event)
        begun.set()

    source = Given(chunks, lambda number: number == 0 or begun.wait(HANG_S))
    with raises(AudioError, "1e+19"):
        listen(source, stream, on_event=on_event, keep_pace=False)
    assert [event.event for event in events] == ["onset", "offset"]


def command(*words: object) -> list[str]:
    return [COMMAND, "listen", *map(str, words), "--backend", "numeric"]


def test_a_pipe_in_and_json_out(bundle_dir: Path, talk: NDArray[np.int16]) -> None:
    words = command("--stdin", "--sample-rate", RATE, "--bundle", bundle_dir, "--json")
    done = subprocess.run(
        words, input=talk.tobytes(), capture_output=True, check=False, timeout=HANG_S
    )
    assert (done.returncode, done.stderr) == (0, b"")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["event"] for event in events[:2]] == ["onset", "offset"]
    assert events[-1] == {"event": "end", "processed_s": 14.0, "skipped": 0, "dropped_s": 0.0}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_with_what_it_has(
    bundle_dir: Path, talk: NDArray[np.int16], number: signal.Signals
) -> None:
    words = command("--stdin", "--sample-rate", RATE, "--bundle", bundle_dir, "--json")
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(talk[: 5 * RATE].tobytes())
        process.stdin.flush()
        first = json.loads(process.stdout.readline())
        assert first["event"] == "onset"
        process.send_signal(number)
        events = [json.loads(line)["event"] for line in process.stdout]
        assert process.wait(timeout=HANG_S) == 0
    assert events == ["offset", "end"]


def test_a_file_and_a_learned_speaker(
    bundle_dir: Path, talk: NDArray[np.int16], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    wavfile = pytest.importorskip("scipy.io.wavfile")
    path, profile = tmp_path / "talk.wav", tmp_path / "anna.json"
    wavfile.write(path, RATE, talk)
    words = ["listen", str(path), "--bundle", str(bundle_dir), "--threshold", "0"]
    assert main([*words, "--adapt", "--save-profile", str(profile)]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0].split()[1] == "onset"
    assert lines[-1].split() == ["14.00", "end"]
    assert json.loads(profile.read_text())["seconds"] >= 3
    learned = profile.read_bytes()
    assert main([*words, "--adapt", "--save-profile", str(profile)]) == 1
    assert (capfd.readouterr().out, profile.read_bytes()) == ("", learned)
    profile.write_text("old")
    assert main([*words, "--adapt", "--save-profile", str(profile), "--overwrite"]) == 0
    assert profile.read_bytes() == learned
    assert main([*words, "--profile", str(profile)]) == 0
    assert main([*words, "--adapt", "--save-profile", str(tmp_path / "no" / "anna.json")]) == 1
    assert "anna.json" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (["--save-profile", "anna.json"], "--save-profile"),
        (["--overwrite"], "--overwrite"),
        (["--stdin"], "--sample-rate"),
        (["clip.wav", "--stdin", "--sample-rate", "16000"], "--stdin"),
        (["--stdin", "--sample-rate", "100"], "100"),
        (["--stdin", "--sample-rate", "16000", "--channels", "100000000"], "channels=100000000"),
        (["--stdin", "--sample-rate", "16000", "--hop", "4"], "hop_s=4"),
    ],
)
def test_wrong_usage(
    bundle_dir: Path, words: list[str], option: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["listen", *words, "--bundle", str(bundle_dir)]) == 2
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert option in err


def test_a_file_in_real_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wavfile = pytest.importorskip("scipy.io.wavfile")
    path = tmp_path / "half.wav"
    wavfile.write(path, RATE, np.ones(RATE // 2, np.int16))
    clock = Clock()
    monkeypatch.setattr("ser_edge.listening.sources.time", clock)
    n_samples = 0
    for samples in FileSource(path, RATE, realtime=True).chunks():
        n_samples += len(samples)
        assert clock.now == pytest.approx(n_samples / RATE)
        clock.now += 0.01  # processing takes time, which the next sleep makes up for
    assert n_samples == RATE // 2


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets")
def test_systemd_is_notified(
    bundle_dir: Path, talk: NDArray[np.int16], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(address)
        notify.settimeout(HANG_S)
        words = command("--stdin", "--sample-rate", RATE, "--bundle", bundle_dir, "--json")
        subprocess.run(words, input=talk.tobytes(), capture_output=True, check=True, timeout=HANG_S)
        assert [notify.recv(99) for _ in range(2)] == [b"READY=1", b"WATCHDOG=1"]
    # The socket is gone: the session continues.
    subprocess.run(words, input=talk.tobytes(), capture_output=True, check=True, timeout=HANG_S)


def test_there_is_a_dtype_for_each_format() -> None:
    assert tuple(PCM) == PCM_FORMATS
