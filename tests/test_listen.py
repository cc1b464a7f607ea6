"""`ser-edge listen`: sources, a capture that never waits, events, and clean ends."""

from __future__ import annotations

import io
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ser_edge import AudioError, Classifier, ConfigError, Segment, Stream, StreamConfig
from ser_edge.cli.command_line import main
from ser_edge.cli.listen import PCM_FORMATS
from ser_edge.cli.parser import parse_arguments
from ser_edge.listening.capture import Capture
from ser_edge.listening.events import Event, Events
from ser_edge.listening.session import listen
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


class Given:
    """A source that yields what it was given, as fast as it can or with pauses."""

    name = "given"
    sample_rate = RATE

    def __init__(self, chunks: list[NDArray[Any]], pause_s: float = 0.0) -> None:
        self._chunks, self._pause_s = chunks, pause_s
        self.closed = threading.Event()

    def chunks(self) -> Iterator[NDArray[Any]]:
        for chunk in self._chunks:
            if self.closed.wait(self._pause_s):
                return
            yield chunk

    def close(self) -> None:
        self.closed.set()


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
    mean = frames.mean(axis=1)
    expected = mean if dtype == "<f4" else np.round(mean)
    assert found.dtype == np.dtype(dtype)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_pipes_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match="format='mp3'; expected one of u8, s16"):
        PcmSource(io.BytesIO(), RATE, "mp3")
    with pytest.raises(ConfigError, match="4000"):
        PcmSource(io.BytesIO(), 4000, "s16")


def test_capture_drops_the_oldest_and_counts() -> None:
    chunks = [np.full(RATE // 10, number, np.int16) for number in range(50)]
    capture = Capture(Given(chunks), waits=False, most_s=1.0)
    capture.start()
    time.sleep(0.3)  # nobody fetches, and the source has ended all the same
    samples, _ = capture.fetch(1)
    assert samples is not None
    assert np.unique(samples).tolist() == list(range(40, 50))
    assert capture.dropped_s == pytest.approx(4.0)
    assert capture.fetch(1)[0] is None


def test_a_source_that_can_wait_loses_nothing() -> None:
    chunks = [np.full(RATE // 10, number, np.int16) for number in range(50)]
    capture = Capture(Given(chunks), waits=True, most_s=1.0)
    capture.start()
    found: list[NDArray[Any]] = []
    while (samples := capture.fetch(1)[0]) is not None:
        found.append(samples)
    np.testing.assert_array_equal(np.concatenate(found), np.concatenate(chunks))
    assert capture.dropped_s == 0


def test_events_are_where_emotions_begin_and_end() -> None:
    states = ["speech", "speech", "uncertain", "speech", "speech", "silence", "speech"]
    labels = ["sad", "sad", "sad", "sad", "angry", "angry", "angry"]
    events = Events()
    found: list[Event] = []
    for number, (state, label) in enumerate(zip(states, labels, strict=True)):
        found += events(Segment(number, number + 1, label, 0.5, {}, state))
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


def test_a_session_hears_what_the_stream_hears(
    stream: Stream, talk: NDArray[np.int16], bundle_dir: Path
) -> None:
    told: list[Event] = []
    source = PcmSource(io.BytesIO(talk.tobytes()), RATE, "s16")
    status = listen(source, stream, on_event=told.append, keep_pace=False)
    events = Events()
    again = Stream(Classifier.load(bundle_dir, backend="numeric"), RATE)
    expected = [event for segment in again.feed(talk) for event in events(segment)]
    assert told == [*expected, *events.end()]
    assert [event.event for event in told[:2]] == ["onset", "offset"]
    assert (status.skipped, status.dropped_s, status.heard_s) == (0, 0.0, 14.0)


def test_one_that_falls_behind_skips_and_goes_on(
    stream: Stream, talk: NDArray[np.int16], monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = stream.feed

    def slow(samples: Any, *, latest: bool = False) -> list[Segment]:
        time.sleep(0.2)
        return feed(samples, latest=latest)

    monkeypatch.setattr(stream, "feed", slow)
    source = Given(np.split(talk, 140), pause_s=0.001)
    status = listen(source, stream, on_event=lambda _: None)
    assert status.skipped > 0
    assert status.heard_s == pytest.approx(14.0, abs=0.2)


def test_what_was_dropped_leaves_a_gap_in_time(
    stream: Stream, talk: NDArray[np.int16], monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = stream.feed
    first = threading.Event()

    def stuck_once(samples: Any, *, latest: bool = False) -> list[Segment]:
        if not first.is_set():
            first.set()
            time.sleep(1.0)
        return feed(samples, latest=latest)

    monkeypatch.setattr(stream, "feed", stuck_once)
    # 28 s come while it is stuck, of which 10 s are kept; 14 s more come later.
    source = Given(np.split(np.concatenate([talk] * 3), 420), pause_s=0.002)
    told: list[Event] = []
    status = listen(source, stream, on_event=told.append)
    assert status.dropped_s > 5
    assert status.heard_s == pytest.approx(42, abs=0.5)
    assert all(0 <= event.time_s <= 42.1 for event in told)
    assert told[-1].time_s > 30


def test_a_source_that_fails_is_told_after_all_events(
    stream: Stream, talk: NDArray[np.int16]
) -> None:
    class Unplugged(Given):
        def chunks(self) -> Iterator[NDArray[Any]]:
            yield talk[: 5 * RATE]
            raise AudioError("mic: the microphone was lost; plug it in again")

    told: list[Event] = []
    with pytest.raises(AudioError, match="the microphone was lost"):
        listen(Unplugged([]), stream, on_event=told.append)
    assert [event.event for event in told] == ["onset", "offset"]


@pytest.fixture
def sound_card(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A stand-in for the module ``sounddevice``, with one microphone."""

    class InputStream:
        def __init__(self, **settings: Any) -> None:
            if settings["samplerate"] != 44100:
                raise PortAudioError("Invalid sample rate")
            card.stream = self
            self.callback, self.finished = settings["callback"], settings["finished_callback"]

        def __enter__(self) -> None:
            card.opened += 1

        def __exit__(self, *_: object) -> None:
            card.opened -= 1

    class PortAudioError(Exception):
        pass

    def query_devices(device: Any = None, kind: str | None = None) -> Any:
        mic = {"name": "USB mic", "max_input_channels": 1, "default_samplerate": 44100.0}
        if kind and device not in (None, 1, "USB"):
            raise ValueError(f"No input device matching {device!r}")
        return mic if kind else [{**mic, "name": "speaker", "max_input_channels": 0}, mic]

    card = SimpleNamespace(
        InputStream=InputStream,
        PortAudioError=PortAudioError,
        query_devices=query_devices,
        opened=0,
    )
    monkeypatch.setitem(sys.modules, "sounddevice", card)
    return card


def test_a_microphone(sound_card: SimpleNamespace) -> None:
    microphone = Microphone("USB")
    assert (microphone.name, microphone.sample_rate) == ("USB mic", 44100)
    assert devices() == ["  1  USB mic, 44100 Hz"]
    chunks = microphone.chunks()
    sound_card.stream.callback(np.full((100, 1), 7, np.int16), 100, None, None)
    assert next(chunks).tolist() == [7] * 100
    assert sound_card.opened == 1
    sound_card.stream.finished()
    with pytest.raises(AudioError, match="USB mic: the microphone was lost"):
        next(chunks)
    assert sound_card.opened == 0
    again = Microphone(1)
    chunks = again.chunks()
    sound_card.stream.callback(np.zeros((10, 1), np.int16), 10, None, None)
    next(chunks)
    again.close()
    assert list(chunks) == []


def test_microphones_that_there_are_not(
    sound_card: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(AudioError, match=r"microphone 'x' cannot be opened .*listen --devices"):
        Microphone("x")
    with pytest.raises(AudioError, match="Invalid sample rate"):
        Microphone(sample_rate=16000)
    assert main(["listen", "--devices"]) == 0
    assert capfd.readouterr().out == "  1  USB mic, 44100 Hz\n"
    monkeypatch.setattr(sound_card, "query_devices", lambda *_: [])
    assert main(["listen", "--devices"]) == 1
    assert "there is no microphone" in capfd.readouterr().err
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert main(["listen"]) == 1
    assert "pip install 'ser-edge[mic]'" in capfd.readouterr().err


def test_the_view_shows_what_is_heard(stream: Stream, talk: NDArray[np.int16]) -> None:
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
    assert "latency" in text


def command(*words: object) -> list[str]:
    return [COMMAND, "listen", *map(str, words), "--backend", "numeric"]


def test_a_pipe_in_and_json_out(bundle_dir: Path, talk: NDArray[np.int16]) -> None:
    words = command("--stdin", "--sample-rate", RATE, "--bundle", bundle_dir, "--json")
    done = subprocess.run(words, input=talk.tobytes(), capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["event"] for event in told[:2]] == ["onset", "offset"]
    assert told[-1] == {"event": "end", "heard_s": 14.0, "skipped": 0, "dropped_s": 0.0}


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
        told = [json.loads(line)["event"] for line in process.stdout]
        assert process.wait(timeout=20) == 0
    assert told == ["offset", "end"]


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
    assert main([*words, "--profile", str(profile)]) == 0
    assert main([*words, "--save-profile", str(profile)]) == 1
    assert "--save-profile goes with --adapt" in capfd.readouterr().err
    assert main([*words, "--adapt", "--save-profile", str(tmp_path / "no" / "anna.json")]) == 1
    assert "anna.json: there is no such folder" in capfd.readouterr().err
    assert main([*words, "--stdin"]) == 1
    assert "expected one source of sound" in capfd.readouterr().err


def test_a_file_in_its_own_time(tmp_path: Path) -> None:
    wavfile = pytest.importorskip("scipy.io.wavfile")
    path = tmp_path / "half.wav"
    wavfile.write(path, RATE, np.ones(RATE // 2, np.int16))
    began = time.monotonic()
    chunks = list(FileSource(path, RATE, realtime=True).chunks())
    assert time.monotonic() - began >= 0.49
    assert sum(map(len, chunks)) == RATE // 2


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets")
def test_systemd_is_told(
    bundle_dir: Path, talk: NDArray[np.int16], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(address)
        notify.settimeout(20)
        words = command("--stdin", "--sample-rate", RATE, "--bundle", bundle_dir, "--json")
        subprocess.run(words, input=talk.tobytes(), capture_output=True, check=True, timeout=60)
        assert [notify.recv(99) for _ in range(2)] == [b"READY=1", b"WATCHDOG=1"]
    # Nobody listens any more: it goes on all the same.
    subprocess.run(words, input=talk.tobytes(), capture_output=True, check=True, timeout=60)


def test_the_command_knows_formats_and_defaults_without_numpy() -> None:
    assert tuple(PCM) == PCM_FORMATS
    assert parse_arguments(["listen"]).threshold == StreamConfig().threshold
