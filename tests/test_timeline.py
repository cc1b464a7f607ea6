"""`ser-edge predict --segments --plot`: the timeline of one recording."""

from __future__ import annotations

import io
import json
import sys
import tracemalloc
import wave
from collections.abc import Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from raising import raises

from ser_edge import AudioError, Bundle, Classifier, Segment, Stream
from ser_edge.cli.command_line import main
from ser_edge.streaming.segments import displayed_label
from ser_edge.streaming.timeline import Timeline, _centred, analyze
from ser_edge.streaming.timeline_plot import binned, plot_timeline

RATE = 16000


def write(path: Path, samples: NDArray[np.float64]) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes((32767 * samples).astype("<i2").tobytes())
    return path


def voice(seconds: float, pitch: float = 140) -> NDArray[np.float64]:
    time = np.arange(round(seconds * RATE)) / RATE
    tone = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 10))
    return np.asarray(0.2 * tone * np.maximum(np.sin(9 * time), 0) ** 2)


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    return write(tmp_path / "talk.wav", np.concatenate([voice(6), np.zeros(4 * RATE), voice(5.3)]))


@pytest.fixture
def words(bundle_dir: Path, talk: Path) -> list[str]:
    return ["predict", str(talk), "--bundle", str(bundle_dir), "--backend", "numeric"]


def test_a_timeline(bundle_dir: Path, talk: Path) -> None:
    classifier = Classifier.load(bundle_dir, backend="numeric")
    positions_s: list[float] = []
    found = analyze(classifier, talk, progress=positions_s.append)
    assert positions_s == [10, found.seconds]
    assert found.segments[0].start_s == 0
    for before, after in pairwise(found.segments):
        assert before.end_s == after.start_s
    for segment in found.segments:
        assert (segment.label is None) == (segment.state != "speech")
        assert segment.probability == max(segment.probabilities.values())
        assert sum(segment.probabilities.values()) == pytest.approx(1)
    silent = [s for s in found.segments if s.state == "silence"]
    assert (silent[0].start_s, silent[-1].end_s) == pytest.approx((6, 10), abs=0.6)
    assert found.segments[-1].end_s == found.seconds == pytest.approx(15.3, abs=1e-3)
    assert found.envelope.shape == (765, 2)
    assert found.envelope[:, 1].max() > 0.3
    assert not found.envelope[320:480].any()


class Pitch:
    """A network that tells a high voice from a low one, by its zero crossings."""

    version = "none"

    def __init__(self, *, sure: bool = True) -> None:
        self._sure = sure

    def run(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        logits = np.zeros((len(inputs), 7), np.float32)
        # The column's mean is -1.40 for 140 Hz and -0.70 for 900 Hz.
        height = (inputs[:, :, 0].mean(axis=1) + 1.05) / 0.35
        logits[:, 0], logits[:, 1] = 5 * height, -5 * height
        return logits if self._sure else logits / 50


def pitch_classifier(bundle_dir: Path, *, sure: bool = True) -> Classifier:
    bundle = Bundle.open(bundle_dir)
    return Classifier(bundle, bundle.manifest.models[0], "none", Pitch(sure=sure))


@pytest.mark.parametrize("boundary_s", [4.0, 7.3, 9.9])
@pytest.mark.parametrize("hop_s", [0.25, 0.5, 1.0])
def test_a_label_changes_where_the_voice_does(
    bundle_dir: Path, tmp_path: Path, boundary_s: float, hop_s: float
) -> None:
    low, high = voice(boundary_s), voice(14 - boundary_s, pitch=900)
    samples = np.concatenate([low, high])
    path = write(tmp_path / "two.wav", samples)
    classifier = pitch_classifier(bundle_dir)
    after, before, *_ = classifier.labels

    def change_s(segments: Sequence[Segment]) -> float:
        return next(s.start_s for s in segments if s.probabilities[after] > s.probabilities[before])

    found = change_s(analyze(classifier, path, hop_s=hop_s).segments) + hop_s / 2
    assert found == pytest.approx(boundary_s, abs=0.45 + hop_s / 2)
    # A stream knows it when half of its window is behind the boundary.
    late = change_s(Stream(classifier, RATE, hop_s=hop_s).feed(samples)) + hop_s / 2
    assert late > max(boundary_s, found) + 0.7


@given(
    n_windows=st.integers(1, 40),
    hop_s=st.floats(0.1, 2.9),
    extra=st.integers(0, 30),
    seed=st.integers(0, 99),
)
def test_averages_lie_between_the_windows_that_cover_a_hop(
    n_windows: int, hop_s: float, extra: int, seed: int
) -> None:
    rows = np.random.default_rng(seed).dirichlet(np.ones(3), n_windows)
    found = _centred(rows, n_windows + extra, hop_s, 3.0)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    for hop, average in enumerate(found):
        begins_s = np.arange(n_windows) * hop_s
        covering = rows[(begins_s < (hop + 1) * hop_s) & (begins_s + 3 > hop * hop_s)]
        covering = covering if len(covering) else rows[-1:]
        assert (average <= covering.max(axis=0) + 1e-9).all()
        assert (average >= covering.min(axis=0) - 1e-9).all()


def test_a_short_recording_has_one_segment(bundle_dir: Path, tmp_path: Path) -> None:
    classifier = Classifier.load(bundle_dir, backend="numeric")
    path = write(tmp_path / "short.wav", voice(1.5))
    [only] = analyze(classifier, path).segments
    [window] = classifier.predict(path).windows
    assert asdict(only) == {**asdict(window), "state": "speech"}
    [unsure] = analyze(pitch_classifier(bundle_dir, sure=False), path).segments
    assert (unsure.label, unsure.state) == (None, "uncertain")
    short = write(tmp_path / "noise.wav", 0.05 * np.random.default_rng(0).standard_normal(RATE))
    [noise] = analyze(classifier, short).segments
    assert (noise.label, noise.state) == (None, "silence")


def test_samples_have_to_be_scaled(bundle_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "loud.wav"
    soundfile.write(path, 32767 * voice(8), RATE, subtype="FLOAT")
    with raises(AudioError, "peak", source="loud.wav"):
        analyze(Classifier.load(bundle_dir, backend="numeric"), path)


def test_a_click_has_no_label(bundle_dir: Path, tmp_path: Path) -> None:
    samples = 1e-3 * np.random.default_rng(0).standard_normal(12 * RATE)
    samples[6 * RATE : 6 * RATE + RATE // 10] += voice(0.2)[: RATE // 10]
    path = write(tmp_path / "click.wav", samples)
    found = analyze(Classifier.load(bundle_dir, backend="numeric"), path).segments
    assert {s.state for s in found} == {"silence", "uncertain"}


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
    assert "talk.png: " in capfd.readouterr().err
    assert main([*words, "--plot", str(tmp_path / "no" / "talk.png")]) == 1
    assert "talk.png: " in capfd.readouterr().err
    assert main([*words, "--plot", str(tmp_path / "talk.mp3")]) == 2
    assert "'.mp3'" in capfd.readouterr().err


@given(
    kinds=st.lists(st.sampled_from(["angry", "sad", "uncertain", "silence"]), min_size=1),
    max_bins=st.integers(1, 12),
)
def test_bins_cover_the_same_time(kinds: list[str], max_bins: int) -> None:
    segments = [
        Segment(i, i + 1, kind, 0.9, {"angry": 0.9, "sad": 0.1})
        if kind in ("angry", "sad")
        else Segment(i, i + 1, None, 0.6, {"angry": 0.4, "sad": 0.6}, kind)
        for i, kind in enumerate(kinds)
    ]
    found = binned(segments, max_bins)
    assert len(found) <= max_bins
    if len(kinds) <= max_bins:
        assert [displayed_label(s) for s in found] == kinds
    assert (found[0].start_s, found[-1].end_s) == (0, len(kinds))
    for bin in found:
        inside = [displayed_label(s) for s in segments if bin.start_s <= s.start_s < bin.end_s]
        heard = [kind for kind in inside if kind != "silence"] or inside
        assert heard.count(displayed_label(bin)) == max(map(heard.count, heard))
        assert sum(bin.probabilities.values()) == pytest.approx(1)


def test_a_long_plot_has_minutes_bins_and_a_title(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure_type = pytest.importorskip("matplotlib.figure").Figure
    figures: list[Any] = []
    savefig = figure_type.savefig

    def saved(figure: Any, *arguments: Any, **options: Any) -> None:
        figures.append(figure)
        savefig(figure, *arguments, **options)

    monkeypatch.setattr(figure_type, "savefig", saved)
    segments = [
        Segment(i / 2, (i + 1) / 2, name, 0.9, {"angry": 0.9, "sad": 0.1})
        for i, name in enumerate(["angry", "sad", "sad"] * 1200)
    ]
    envelope = np.tile(np.array([-0.5, 0.5], np.float32), (90000, 1))
    path = tmp_path / "half an hour.svg"
    name = "$5 \n and $x_1.wav \udcff \u8a9e"
    plot_timeline(path, Timeline(tuple(segments), 1800.0, envelope), title=name)
    assert path.stat().st_size < 300_000
    [figure] = figures
    assert figure._suptitle.get_text() == "$5 \ufffd and $x_1.wav \ufffd \u8a9e"
    _, ribbon, stack = figure.axes
    assert len(ribbon.patches) == 1  # two thirds of every part are sad
    assert stack.get_xlabel() == "time [min:s]"
    labels = [tick.get_text() for tick in stack.get_xticklabels()]
    assert {"0:00", "10:00", "30:00"} <= set(labels)
    short = tmp_path / "short.png"
    plot_timeline(short, Timeline(tuple(segments[:100]), 50.0, envelope[:2500]))
    assert figures[-1].axes[2].get_xlabel() == "time [s]"
    assert len(figures[-1].axes[1].patches) == 67


def long_talk(path: Path, minutes: int) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        piece = (32767 * voice(10)).astype("<i2").tobytes()
        for _ in range(6 * minutes):
            file.writeframes(piece)
    return path


@pytest.mark.parametrize("kind", ["predict", "analyze"])
def test_memory_does_not_grow_with_the_recording(
    bundle_dir: Path, tmp_path: Path, kind: str
) -> None:
    classifier = pitch_classifier(bundle_dir)
    peaks = []
    for minutes in (2, 8):
        path = long_talk(tmp_path / f"{minutes}.wav", minutes)
        tracemalloc.start()
        if kind == "predict":
            assert classifier.predict(path).n_windows == pytest.approx(60 * minutes, abs=3)
        else:
            assert analyze(classifier, path, hop_s=2).seconds == pytest.approx(60 * minutes)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # 6 minutes are 32 MB of float32 samples; results and levels take 0.2 MB a minute.
    assert peaks[1] - peaks[0] < 3e6


def test_long_and_short_recordings_go_the_same_way(
    bundle_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier = pitch_classifier(bundle_dir)
    path = long_talk(tmp_path / "minute.wav", 1)
    content = path.read_bytes()
    kept = classifier.predict(path).windows
    monkeypatch.setattr("ser_edge.classifier._KEPT_S", 5.0)
    assert len(kept) > 30
    for recording in (path, content, io.BytesIO(content)):
        assert classifier.predict(recording).windows == kept
    after_junk = io.BytesIO(b"junk" + content)
    after_junk.seek(4)
    assert classifier.predict(after_junk).windows == kept
    samples = np.frombuffer(content[44:], "<i2")
    assert classifier.predict(samples, RATE).windows == kept


def test_long_recordings_show_progress_on_a_terminal(
    bundle_dir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    long, short = long_talk(tmp_path / "long.wav", 2), write(tmp_path / "short.wav", voice(4))
    options = ["--bundle", str(bundle_dir), "--backend", "numeric"]
    assert main(["predict", str(long), *options]) == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main(["predict", str(short), *options]) == 0
    assert capsys.readouterr().err == ""
    assert main(["predict", str(long), *options]) == 0
    shown = capsys.readouterr().err
    assert shown.startswith("\r1:0")
    progress, hint = shown.split("\r\033[K")
    assert progress.endswith("\r2:00 min done")
    assert "--segments" in hint
    assert main(["predict", str(long), *options, "--json"]) == 0
    assert "--segments" not in capsys.readouterr().err
    assert main(["predict", str(long), *options, "--segments"]) == 0
    assert capsys.readouterr().err.endswith("\r2:00 min done\r\033[K")


def test_one_recording_at_a_time(words: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", words[1], *words[1:], "--segments"]) == 2
    assert "--segments: 2" in capfd.readouterr().err
    assert main([*words, "--segments", "--hop", "4"]) == 2
    assert "hop_s=4" in capfd.readouterr().err
