"""Decode a part of a recording with `read`, compared with soundfile and librosa; limits."""

import io
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from raising import raises
from recordings import by_soundfile, written

from ser_edge.audio import read
from ser_edge.errors import AudioError, ConfigError


@pytest.mark.parametrize(
    ("offset_s", "duration_s"),
    [(0.0, None), (0.6, 2.5), (0.1234567, 0.333), (2.9, 2.5), (0.7, 0.1)],
)
@pytest.mark.parametrize("container", ["WAV", "FLAC"])
def test_a_part_is_librosas(
    rng: np.random.Generator, offset_s: float, duration_s: float | None, container: str
) -> None:
    data = written(rng.uniform(-1, 1, (72001, 2)), 24000, container=container)
    samples, rate = read(data, offset_s=offset_s, duration_s=duration_s)
    # librosa.load's own frame arithmetic.
    first = int(offset_s * rate)
    count = None if duration_s is None else first + int(duration_s * rate)
    np.testing.assert_array_equal(samples, by_soundfile(data)[first:count])


def test_silence_is_returned() -> None:
    assert not read(written(np.zeros(100)))[0].any()


@pytest.mark.parametrize("container", ["FLAC", "OGG", "MP3"])
def test_other_containers_need_soundfile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, container: str
) -> None:
    if container not in soundfile.available_formats():
        pytest.skip(f"this libsndfile has no {container}")
    subtype = {"FLAC": "PCM_16", "OGG": "VORBIS", "MP3": "MPEG_LAYER_III"}[container]
    path = tmp_path / f"clip.{container.lower()}"
    path.write_bytes(written(0.1 * np.sin(np.arange(20000) / 9), 16000, subtype, container))
    samples, rate = read(path)
    assert rate == 16000
    np.testing.assert_array_equal(samples, by_soundfile(path.read_bytes())[: samples.size])

    monkeypatch.setitem(sys.modules, "soundfile", None)
    with raises(AudioError, "begins with b'", "ser-edge[audio]", source=path.name):
        read(path)


def test_other_codecs_need_soundfile(monkeypatch: pytest.MonkeyPatch) -> None:
    data = written(np.linspace(-1, 1, 500), subtype="ULAW")
    np.testing.assert_array_equal(read(data)[0], by_soundfile(data))
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with raises(AudioError, "0x0007", "ser-edge[audio]"):
        read(data)


@pytest.mark.parametrize(
    ("container", "subtype"),
    [
        ("WAV", "GSM610"),
        ("WAV", "G721_32"),
        ("WAV", "NMS_ADPCM_16"),
        ("WAV", "MS_ADPCM"),
        ("AIFF", "GSM610"),
    ],
)
def test_codecs_that_cannot_seek(container: str, subtype: str) -> None:
    data = written(0.5 * np.sin(np.arange(8000) / 9), 8000, subtype, container)
    expected = by_soundfile(data)
    np.testing.assert_array_equal(read(data)[0], expected)
    part = read(data, offset_s=0.3, duration_s=0.5)[0]
    np.testing.assert_array_equal(part, expected[2400:6400])
    with raises(AudioError, "offset_s=3"):
        read(data, offset_s=3)


@pytest.mark.parametrize(
    ("last", "value"),
    [
        (np.nan, "sample 2 is nan"),
        (np.inf, "sample 2 is inf"),
        (-1e300, "sample 2 is -inf"),  # beyond float32
    ],
)
def test_samples_that_are_not_finite_are_refused(last: float, value: str) -> None:
    with raises(AudioError, value, source="the recording"):
        read(written(np.array([0, 0.5, last]), subtype="DOUBLE"))


@pytest.mark.parametrize("container", ["WAV", "FLAC"])
def test_an_offset_beyond_the_end(container: str) -> None:
    data = written(np.zeros(16000), container=container)
    with raises(AudioError, "1.000 s", "offset_s=1.0", source="the recording"):
        read(data, offset_s=1.0)
    with raises(AudioError, "duration_s=1e-06"):
        read(data, duration_s=1e-6)
    with raises(AudioError, "offset_s=1e+300"):
        read(data, offset_s=1e300)


@pytest.mark.parametrize("value", [-0.1, np.inf, np.nan])
def test_illegal_times(value: float) -> None:
    data = written(np.zeros(160))
    with raises(ConfigError, f"offset_s={value}", source=""):
        read(data, offset_s=value)
    with raises(ConfigError, f"duration_s={value}", source=""):
        read(data, duration_s=value)


def test_soundfile_is_imported_only_when_needed(tmp_path: Path) -> None:
    path = tmp_path / "clip.wav"
    path.write_bytes(written(np.zeros(100)))
    code = (
        "import sys; from ser_edge import audio; audio.load(sys.argv[1], 22050); "
        "print(sorted({'soundfile', 'soxr', 'scipy', 'librosa'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("container", "channels"), [("WAV", 3), ("WAV", 40), ("FLAC", 5)])
def test_pieces_of_many_channels_are_librosas(
    rng: np.random.Generator, container: str, channels: int
) -> None:
    data = written(rng.uniform(-1, 1, (80001, channels)), container=container)
    np.testing.assert_array_equal(read(data)[0], by_soundfile(data))


@pytest.mark.parametrize("container", ["WAV", "FLAC", "OGG", "MP3"])
def test_max_s_bounds_what_would_be_decoded(container: str) -> None:
    if container not in soundfile.available_formats():
        pytest.skip(f"this libsndfile has no {container}")
    subtype = {"OGG": "VORBIS", "MP3": "MPEG_LAYER_III"}.get(container, "PCM_16")
    data = written(np.zeros(16000), subtype=subtype, container=container)
    assert read(data, max_s=1.0)[0].size == 16000
    assert read(data, offset_s=0.5, max_s=0.5)[0].size == 8000
    assert read(data, duration_s=0.25, max_s=0.25)[0].size == 4000
    with raises(AudioError, "1.000 s", "max_s=0.999"):
        read(data, max_s=0.999)
    with raises(AudioError, "0.500 s", "max_s=0.4"):
        read(data, offset_s=0.1, duration_s=0.5, max_s=0.4)


@pytest.mark.parametrize("value", [0, 0.0, -1, np.nan, np.inf, "9", 1j])
def test_illegal_max_s(value: Any) -> None:
    with raises(ConfigError, f"max_s={value!r}", source=""):
        read(written(np.zeros(160)), max_s=value)


def flac_that_claims(n_frames: int, *, holds: int) -> bytes:
    """Write the number of frames into STREAMINFO's last 36 bits before the checksum."""
    data = bytearray(written(np.zeros(holds), container="FLAC"))
    field = int.from_bytes(data[18:26], "big")
    data[18:26] = (field >> 36 << 36 | n_frames).to_bytes(8, "big")
    return bytes(data)


def peak_of_reading(data: bytes, **bounds: Any) -> int:
    """Peak of allocated memory [bytes], with or without an error."""
    tracemalloc.start()
    try:
        read(data, **bounds)
    except AudioError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak


def test_a_header_that_claims_hours_is_not_believed() -> None:
    data = flac_that_claims(2**36 - 1, holds=200_000)
    with raises(AudioError, "4294967.296 s", "max_s=20"):
        read(data, max_s=20)
    with raises(AudioError):
        read(data)
    assert peak_of_reading(data) < 3 << 20
    assert read(data, duration_s=0.5, max_s=20)[0].size == 8000


def test_a_header_that_claims_less_than_there_is() -> None:
    data = flac_that_claims(16000, holds=16000 * 600)
    assert len(data) < 30_000
    assert read(data, max_s=1)[0].size == 16000
    assert peak_of_reading(data, max_s=1) < 1 << 20


def test_a_header_that_does_not_say() -> None:
    data = flac_that_claims(0, holds=32000)
    with raises(AudioError, "length", "WAV", source="the recording"):
        read(data)
    assert read(data, offset_s=0.5, duration_s=0.5)[0].size == 8000


def test_hours_in_a_small_file_are_refused_before_they_are_decoded() -> None:
    data = written(np.zeros(16000 * 600), container="FLAC")
    assert len(data) < 30_000
    assert peak_of_reading(data, max_s=599) < 1 << 20


def test_channels_do_not_multiply_what_is_allocated() -> None:
    data = written(np.zeros((2000, 1000)), subtype="ULAW")
    assert peak_of_reading(data) < 3 << 20


def test_a_long_wav_is_refused_by_its_header(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    with path.open("wb") as file:
        file.write(written(np.zeros(0))[:40] + (1 << 30).to_bytes(4, "little"))
        file.truncate(file.tell() + (1 << 30))  # a hole
    with raises(AudioError, "33554.432 s", "max_s=60", source="long.wav"):
        read(path, max_s=60)
    assert read(path, offset_s=33554.0, max_s=60)[0].size == int(0.432 * 16000)


def test_a_decoder_that_fails_on_the_way() -> None:
    data = written(np.random.default_rng(0).uniform(-1, 1, 300_000), container="FLAC")
    file = io.BytesIO(data[: len(data) // 2])
    with raises(AudioError):
        read(file)
