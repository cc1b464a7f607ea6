"""Reading, against soundfile and librosa; `test_wav` has what is in a WAV file."""

import io
import subprocess
import sys
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from ser_edge.audio import as_signal, load, read
from ser_edge.errors import AudioError


def written(
    samples: NDArray[Any], rate: int = 16000, subtype: str = "PCM_16", container: str = "WAV"
) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, subtype, format=container)
    return file.getvalue()


def reference(data: bytes) -> NDArray[np.float32]:
    samples, _ = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    return np.asarray(samples.T.mean(axis=0), np.float32)


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
    np.testing.assert_array_equal(samples, reference(data)[first:count])


class Recorder(io.BytesIO):
    """A file that counts what is read from it."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.taken += len(data)
        return data


def test_only_the_part_asked_for_is_read() -> None:
    file = Recorder(written(np.zeros(480000)))
    read(file, offset_s=10.0, duration_s=0.5)
    assert file.taken < 16000 + 100


@pytest.mark.parametrize("container", ["WAV", "FLAC"])
def test_file_objects_are_read_from_where_they_stand_and_left_open(container: str) -> None:
    data = written(np.linspace(-1, 1, 500), container=container)
    file = io.BytesIO(b"before" + data)
    file.seek(6)
    np.testing.assert_array_equal(read(file)[0], reference(data))
    assert not file.closed


class Pipe(io.RawIOBase):
    """What a pipe gives: no way back."""

    def __init__(self, data: bytes) -> None:
        self._rest = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._rest.readinto(buffer)


def test_a_pipe_is_read_to_its_end() -> None:
    data = written(np.linspace(-1, 1, 500))
    samples, _ = read(cast(BinaryIO, Pipe(data)), offset_s=0.01)
    np.testing.assert_array_equal(samples, read(data)[0][160:])


@pytest.mark.parametrize("kind", [str, Path, bytes, bytearray, memoryview])
def test_every_kind_of_source(tmp_path: Path, kind: type) -> None:
    data = written(np.linspace(-1, 1, 500))
    path = tmp_path / "clip.wav"
    path.write_bytes(data)
    source = kind(path) if kind in (str, Path) else kind(data)
    np.testing.assert_array_equal(read(source)[0], reference(data))


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
    np.testing.assert_array_equal(samples, reference(path.read_bytes())[: samples.size])

    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(AudioError, match=r"^clip\.\w+: begins .*pip install 'ser-edge\[audio\]'"):
        read(path)


def test_other_codecs_need_soundfile(monkeypatch: pytest.MonkeyPatch) -> None:
    data = written(np.linspace(-1, 1, 500), subtype="ULAW")
    np.testing.assert_array_equal(read(data)[0], reference(data))
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(AudioError, match=r"codec 0x0007; .*pip install 'ser-edge\[audio\]'"):
        read(data)


@pytest.mark.parametrize(
    ("last", "message"),
    [
        (np.nan, "sample 2 is nan; expected finite"),
        (np.inf, "sample 2 is inf"),
        (-1e300, "sample 2 is -inf"),  # beyond float32
    ],
)
def test_samples_that_are_not_finite_are_refused(last: float, message: str) -> None:
    with pytest.raises(AudioError, match=f"^the recording: {message}"):
        read(written(np.array([0, 0.5, last]), subtype="DOUBLE"))


def test_paths_that_lead_nowhere(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"^gone\.wav: does not exist"):
        read(tmp_path / "gone.wav")
    with pytest.raises(AudioError, match="is a directory"):
        read(tmp_path)
    with pytest.raises(AudioError, match="is no legal path"):
        read("a\0b")
    with pytest.raises(AudioError, match=r"^the empty path: does not exist"):
        read("")


def test_a_forbidden_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(AudioError, match=r"^clip\.wav: cannot be read \(Permission denied\)"):
        read("somewhere/clip.wav")


def test_a_file_that_fails_while_read() -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(AudioError, match=r"cannot be read \(Input/output error\)"):
        read(Failing(b"RIFF"))


@pytest.mark.parametrize("source", [3, None, np.zeros(5), io.StringIO("text")])
def test_other_sources_are_refused(source: Any) -> None:
    with pytest.raises(AudioError, match="expected a path, bytes or a binary file"):
        read(source)


@pytest.mark.parametrize("container", ["WAV", "FLAC"])
def test_an_offset_beyond_the_end(container: str) -> None:
    data = written(np.zeros(16000), container=container)
    with pytest.raises(AudioError, match=r"holds 1\.000 s, of which offset_s=1\.0 and"):
        read(data, offset_s=1.0)
    with pytest.raises(AudioError, match="leave no sample"):
        read(data, duration_s=1e-6)
    with pytest.raises(AudioError, match="leave no sample"):
        read(data, offset_s=1e300)


@pytest.mark.parametrize("value", [-0.1, np.inf, np.nan])
def test_illegal_times(value: float) -> None:
    data = written(np.zeros(160))
    with pytest.raises(AudioError, match="offset_s="):
        read(data, offset_s=value)
    with pytest.raises(AudioError, match="duration_s="):
        read(data, duration_s=value)


def test_load_reads_and_resamples(rng: np.random.Generator) -> None:
    data = written(rng.uniform(-1, 1, 48000), 48000)
    assert load(data, 22050, offset_s=0.25, duration_s=0.5).shape == (11025,)
    np.testing.assert_array_equal(load(data, 48000), read(data)[0])
    with pytest.raises(AudioError, match="the sample rate is 100 Hz"):
        load(data, 100)


@pytest.mark.parametrize("dtype", ["u1", "<i2", ">i2", "<i4", "f2", "f4", "<f8", ">f8"])
def test_arrays_become_signals(dtype: str) -> None:
    full = {"u": 128, "i": 2 ** (8 * np.dtype(dtype).itemsize - 1), "f": 1}[np.dtype(dtype).kind]
    offset = 128 if dtype == "u1" else 0
    samples = (np.array([0.0, 0.5, -1.0]) * full + offset).astype(dtype)
    signal = as_signal(samples)
    assert signal.dtype == np.float32
    assert signal.flags.c_contiguous
    np.testing.assert_array_equal(signal, [0.0, 0.5, -1.0])


def test_signals_are_passed_on(rng: np.random.Generator) -> None:
    x = rng.uniform(-1, 1, 100).astype(np.float32)
    assert as_signal(x) is x
    assert as_signal([0.0, 0.25]).tolist() == [0.0, 0.25]
    np.testing.assert_array_equal(as_signal(x[::2]), x[::2])


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(0, np.float32), "there are no samples"),
        ([], "there are no samples"),
        (np.zeros((5, 2)), r"shape \(5, 2\); expected one channel"),
        (np.float32(1), r"shape \(\)"),
        ([[1.0], [1.0, 2.0]], "ragged"),
        (np.zeros(5, np.int64), "int64; expected float within"),
        (np.zeros(5, np.uint16), "uint16"),
        (np.zeros(5, bool), "bool"),
        (np.zeros(5, complex), "complex128"),
        (["a"], "<U1"),
        ([0.0, np.nan], "sample 1 is nan"),
        (np.array([np.inf], np.float32), "sample 0 is inf"),
        ([1e300], "sample 0 is inf"),
    ],
)
def test_other_arrays_are_refused(samples: Any, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        as_signal(samples)


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


@pytest.mark.corpora
@pytest.mark.filterwarnings("ignore:'(aifc|audioop|sunau)' is deprecated:DeprecationWarning")
@pytest.mark.parametrize("corpus", ["ravdess", "tess", "emodb"])
def test_real_clips_are_librosas(corpora_dir: Path, corpus: str) -> None:
    import librosa

    clips = sorted(p for p in (corpora_dir / corpus).rglob("*") if p.suffix in (".flac", ".wav"))
    assert len(clips) >= 20
    for clip in clips[:: len(clips) // 20]:
        expected, rate = librosa.load(clip, sr=None, offset=0.6, duration=2.5)
        samples, found = read(clip, offset_s=0.6, duration_s=2.5)
        assert found == rate
        np.testing.assert_array_equal(samples, expected)
        frames, _ = soundfile.read(clip, dtype="int16")
        samples, _ = read(written(frames, int(rate)), offset_s=0.6, duration_s=2.5)
        np.testing.assert_array_equal(samples, expected)
