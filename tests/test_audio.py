"""`load`, `blocks` and `as_signal`; `test_decode` and `test_source` test what they are built on."""

import io
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from raising import raises
from recordings import written

from ser_edge.audio import as_signal, blocks, load, read
from ser_edge.errors import AudioError, ConfigError


def test_load_reads_and_resamples(rng: np.random.Generator) -> None:
    data = written(rng.uniform(-1, 1, 48000), 48000)
    assert load(data, 22050, offset_s=0.25, duration_s=0.5).shape == (11025,)
    np.testing.assert_array_equal(load(data, 48000), read(data)[0])
    with raises(ConfigError, "sample_rate=100", source=""):
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
    ("samples", "value"),
    [
        (np.zeros(0, np.float32), "no samples"),
        ([], "no samples"),
        (np.zeros((5, 2)), "(5, 2)"),
        (np.float32(1), "()"),
        ([[1.0], [1.0, 2.0]], "ragged"),
        (np.zeros(5, np.int64), "int64"),
        (np.zeros(5, np.uint16), "uint16"),
        (np.zeros(5, bool), "bool"),
        (np.zeros(5, complex), "complex128"),
        (["a"], "<U1"),
        ([0.0, np.nan], "sample 1 is nan"),
        (np.array([np.inf], np.float32), "sample 0 is inf"),
        ([1e300], "sample 0 is inf"),
    ],
)
def test_other_arrays_are_refused(samples: Any, value: str) -> None:
    with raises(AudioError, value, source="the array"):
        as_signal(samples)
    with raises(AudioError, value, source="clip 3"):
        as_signal(samples, "clip 3")


@pytest.mark.parametrize("error", [RuntimeError("requires\ngrad"), TypeError("on cuda:0")])
def test_tensors_that_cannot_be_arrays_are_refused(error: Exception) -> None:
    class Tensor:
        def __array__(self, *_: object, **__: object) -> NDArray[np.float32]:
            raise error

    with raises(AudioError, "Tensor", str(error).split()[-1], source="the array"):
        as_signal(Tensor())


@pytest.mark.parametrize(
    ("rate", "target"), [(16000, 22050), (48000, 22050), (24414, 22050), (22050, 22050)]
)
@pytest.mark.parametrize("container", ["WAV", "FLAC"])
@pytest.mark.parametrize("block_s", [0.1, 1.0, 60.0])
def test_blocks_are_what_load_returns(
    rng: np.random.Generator, rate: int, target: int, container: str, block_s: float
) -> None:
    data = written(rng.uniform(-1, 1, (7 * rate + 13, 2)), rate, container=container)
    part: dict[str, Any] = {"offset_s": 0.3, "duration_s": 6.05}
    pieces = list(blocks(data, target, block_s=block_s, **part))
    assert {piece.size for piece in pieces[:-1]} <= {round(block_s * target)}
    assert 0 < pieces[-1].size <= round(block_s * target)
    np.testing.assert_array_equal(np.concatenate(pieces), load(data, target, **part))


def peak_of_blocks(source: Path, **part: Any) -> int:
    """Peak of allocated memory [bytes]."""
    tracemalloc.start()
    for block in blocks(source, 22050, block_s=1.0, **part):
        assert block.size
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize(("rate", "container"), [(16000, "WAV"), (48000, "WAV"), (16000, "FLAC")])
def test_blocks_take_constant_memory(tmp_path: Path, rate: int, container: str) -> None:
    path = tmp_path / "long"
    minute = np.tile(np.arange(-500, 500, dtype=np.int16), 60 * rate // 1000)
    with soundfile.SoundFile(path, "w", rate, 1, "PCM_16", format=container) as file:
        for _ in range(5):
            file.write(minute)
    next(blocks(path, 22050))  # designs the filter
    short, whole = peak_of_blocks(path, duration_s=20.0), peak_of_blocks(path)
    assert whole < 1.05 * short + 50_000
    assert whole < 6 << 20


def test_blocks_of_hours_that_a_file_only_claims() -> None:
    promise = written(np.zeros(100))[:40] + (1 << 31).to_bytes(4, "little")
    with raises(AudioError):
        next(blocks(promise, 22050, block_s=3600))


def test_blocks_leave_a_file_open_and_close_their_own(tmp_path: Path) -> None:
    data = written(np.zeros(16000))
    file = io.BytesIO(data)
    assert sum(block.size for block in blocks(file, 16000, block_s=0.1)) == 16000
    assert not file.closed
    path = tmp_path / "clip.wav"
    path.write_bytes(data)
    some = blocks(path, 16000, block_s=0.1)
    next(some)
    some.close()  # else an unclosed file would be warned about, which is an error here


def test_blocks_end_where_a_recording_is_damaged() -> None:
    samples = np.zeros(300_000, np.float32)
    samples[200_000] = np.nan
    some = blocks(written(samples, subtype="FLOAT"), 16000, block_s=1.0)
    for _ in range(8):
        assert next(some).size == 16000
    with raises(AudioError, "sample 200000", "nan", source="the recording"):
        next(some)


@pytest.mark.parametrize("block_s", [0, -1.0, 3601, np.nan, np.inf, "1"])
def test_illegal_blocks(block_s: Any) -> None:
    with raises(ConfigError, f"block_s={block_s!r}", "0.01 to 3600", source=""):
        next(blocks(written(np.zeros(160)), 22050, block_s=block_s))


def loaded(data: bytes, sample_rate: int, **limits: Any) -> object:
    return load(data, sample_rate, **limits)


def first_block(data: bytes, sample_rate: int, **limits: Any) -> object:
    return next(blocks(data, sample_rate, **limits))


@pytest.mark.parametrize("get", [loaded, first_block])
def test_limits_are_kept(get: Callable[..., object]) -> None:
    data = written(np.zeros(16000))
    get(data, 22050, max_s=1, max_bytes=len(data))
    with raises(AudioError, "1.000 s", "max_s=0.5", source="the recording"):
        get(data, 22050, max_s=0.5)
    with raises(AudioError, "max_bytes=1000", source="the recording"):
        get(data, 22050, max_bytes=1000)
    with raises(ConfigError, "max_bytes=-1", source=""):
        get(data, 22050, max_bytes=-1)
    with raises(ConfigError, "sample_rate=100", source=""):
        get(data, 100)


@pytest.mark.corpora
@pytest.mark.filterwarnings("ignore:'(aifc|audioop|sunau)' is deprecated:DeprecationWarning")
@pytest.mark.parametrize("corpus", ["ravdess", "tess", "emodb"])
def test_real_clips_are_librosas(corpora_dir: Path, corpus: str) -> None:
    librosa = pytest.importorskip("librosa")
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
