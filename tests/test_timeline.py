"""`ser-edge predict --segments --plot`: the timeline of one recording."""

from __future__ import annotations

import json
import wave
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ser_edge import Classifier, Stream
from ser_edge.cli.command_line import main
from ser_edge.streaming.timeline import analyze

RATE = 16000


def write(path: Path, samples: NDArray[np.float64]) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes((32767 * samples).astype("<i2").tobytes())
    return path


def voice(seconds: float) -> NDArray[np.float64]:
    time = np.arange(round(seconds * RATE)) / RATE
    tone = sum(np.sin(2 * np.pi * 140 * k * time) / k for k in range(1, 10))
    return np.asarray(0.2 * tone * np.maximum(np.sin(9 * time), 0) ** 2)


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    return write(tmp_path / "talk.wav", np.concatenate([voice(6), np.zeros(4 * RATE), voice(5.3)]))


@pytest.fixture
def words(bundle_dir: Path, talk: Path) -> list[str]:
    return ["predict", str(talk), "--bundle", str(bundle_dir), "--backend", "numeric"]


def test_the_timeline_has_the_segments_of_a_stream(bundle_dir: Path, talk: Path) -> None:
    classifier = Classifier.load(bundle_dir, backend="numeric")
    found = analyze(classifier, talk)
    with wave.open(str(talk)) as file:
        samples = np.frombuffer(file.readframes(10**9), "<i2")
    stream = Stream(classifier, RATE)
    expected = [*stream.feed(samples), *stream.flush()]
    assert found.segments[:-1] == tuple(expected[:-1])
    assert found.segments[-1].end_s == found.seconds == pytest.approx(15.3, abs=1e-3)
    assert found.envelope.shape == (765, 2)
    assert found.envelope[:, 1].max() > 0.3
    assert not found.envelope[320:480].any()


def test_a_short_recording_has_one_segment(bundle_dir: Path, tmp_path: Path) -> None:
    classifier = Classifier.load(bundle_dir, backend="numeric")
    path = write(tmp_path / "short.wav", voice(1.5))
    [only] = analyze(classifier, path).segments
    [window] = classifier.predict(path).windows
    assert asdict(only) == {**asdict(window), "state": "speech"}


def test_silence(bundle_dir: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    short, long = (write(tmp_path / f"{s}.wav", np.zeros(s * RATE)) for s in (1, 10))
    words = ["--segments", "--bundle", str(bundle_dir)]
    assert main(["predict", str(short), *words]) == 1
    assert "1.wav: " in capfd.readouterr().err
    assert main(["predict", str(long), *words]) == 0
    assert capfd.readouterr().out == "00:00:00.000 - 00:00:10.000  silence\n"


def test_formats(words: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--segments"]) == 0
    table = capfd.readouterr().out
    assert table.startswith("00:00:00.000 - 00:00:0")
    assert "silence" in table
    assert main([*words, "--segments", "json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found[-1]["end_s"] == pytest.approx(15.3, abs=1e-3)
    assert main([*words, "--segments", "vtt"]) == 0
    assert capfd.readouterr().out.startswith("WEBVTT\n\n00:00:00.000 --> ")


def test_a_plot(words: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    image = pytest.importorskip("matplotlib.image")
    path = tmp_path / "talk.png"
    assert main([*words, "--plot", str(path)]) == 0
    picture = image.imread(path)
    assert picture.shape[:2] == (572, 1210)
    assert picture[..., :3].std() > 0.1
    assert [p.name for p in tmp_path.iterdir() if "part" in p.name] == []
    assert main([*words, "--plot", str(path)]) == 1
    assert "talk.png: exists" in capfd.readouterr().err
    assert main([*words, "--plot", str(tmp_path / "no" / "talk.png")]) == 1
    assert "talk.png: " in capfd.readouterr().err
    assert main([*words, "--plot", str(tmp_path / "talk.mp3")]) == 2
    assert "talk.mp3: '.mp3'" in capfd.readouterr().err


def test_one_recording_at_a_time(words: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", words[1], *words[1:], "--segments"]) == 2
    assert "argument --segments: 2 recordings" in capfd.readouterr().err
    assert main([*words, "--segments", "--json"]) == 2
    assert "--json" in capfd.readouterr().err
    with pytest.raises(SystemExit):
        main([*words, "--segments", "--hop", "0"])
    assert "argument --hop: value=0.0" in capfd.readouterr().err
    assert main([*words, "--segments", "--hop", "4"]) == 2
    assert "hop_s=4" in capfd.readouterr().err
