from collections import Counter
from pathlib import Path

import librosa
import numpy as np
import numpy.typing as npt
import pytest
from raising import raises
from scipy.io import wavfile

from ser_edge.errors import ConfigError, SerEdgeError
from ser_edge_train.corpora import Clip, Found, find_clips
from ser_edge_train.demo_corpus import _clip, _jobs, write_demo_corpus

RATES = {"ravdess": 48000, "crema-d": 16000, "tess": 24414, "savee": 44100}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "deep" / "corpus"
    write_demo_corpus(folder, takes=1)
    return folder


@pytest.fixture(scope="module")
def found(demo: Path) -> Found:
    return find_clips([demo])


def _read(clip: Clip) -> npt.NDArray[np.float64]:
    samples = wavfile.read(clip.path)[1]
    return np.asarray(samples, dtype=np.float64) / 32768


def test_every_clip_is_recognised(found: Found) -> None:
    assert Counter(clip.corpus for clip in found.clips) == {
        "ravdess": 6 * 8,
        "crema-d": 6 * 6,
        "tess": 2 * 7 * 2,
        "savee": 4 * 7,
    }
    assert found.rejected == ()
    assert [item.path.name for item in found.left_out] == ["README.txt"]


def test_every_speaker_shows_every_emotion(found: Found) -> None:
    shown = Counter(clip.speaker for clip in found.clips)
    assert len(shown) == 6 + 6 + 2 + 4
    assert len({(clip.speaker, clip.label) for clip in found.clips}) == 12 * 7 + 6 * 6


def test_the_full_corpus_names_no_clip_twice() -> None:
    files = [job.file for job in _jobs(4)]
    assert len(files) == len(set(files)) == 560


def test_recordings_are_as_the_corpora_have_them(found: Found) -> None:
    for clip in found.clips:
        rate, samples = wavfile.read(clip.path)
        assert rate == RATES[clip.corpus]
        assert samples.dtype == np.int16
        assert samples.ndim == 1
        assert 1.2 < len(samples) / rate < 4.5


def test_levels_are_those_of_speech(found: Found) -> None:
    for clip in found.clips:
        samples = _read(clip)
        assert np.abs(samples).max() < 0.985
        assert -50 < 20 * np.log10(np.sqrt(np.mean(samples**2))) < -12
        assert np.abs(samples[:1000]).max() < 0.02  # a room before the first word
        assert samples[:1000].std() > 1 / 32768  # that is not digital silence


def _voiced_pitch(clip: Clip) -> float:
    y = librosa.resample(_read(clip), orig_sr=RATES[clip.corpus], target_sr=16000)
    f0 = librosa.yin(y, fmin=60, fmax=600, sr=16000)
    level = librosa.feature.rms(y=y)[0]
    return float(np.median(f0[level > 0.3 * level.max()]))


def test_anger_is_louder_and_higher_than_sadness(found: Found) -> None:
    def of(label: str, corpus: str) -> list[Clip]:
        return [c for c in found.clips if c.label == label and c.corpus == corpus]

    for corpus in RATES:
        angry, sad = of("angry", corpus), of("sad", corpus)
        assert [c.speaker for c in angry] == [c.speaker for c in sad]
        loud = [np.std(_read(a)) / np.std(_read(s)) for a, s in zip(angry, sad, strict=True)]
        high = [_voiced_pitch(a) / _voiced_pitch(s) for a, s in zip(angry, sad, strict=True)]
        assert np.mean(20 * np.log10(loud)) > 6
        assert np.mean(12 * np.log2(high)) > 2


def test_a_seed_gives_the_same_bytes_and_another_does_not(demo: Path, tmp_path: Path) -> None:
    for job in list(_jobs(1))[::20]:
        again = tmp_path / "again.wav"
        wavfile.write(again, job.room.sample_rate, _clip(job, seed=0))
        assert again.read_bytes() == (demo / job.file).read_bytes()
        assert not np.array_equal(_clip(job, seed=1), _clip(job, seed=0))


def test_more_takes_leave_the_first_as_they_are() -> None:
    assert set(_jobs(1)) < set(_jobs(2)) < set(_jobs(4))


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        assert total == 140
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_demo_corpus(tmp_path / "demo", takes=1, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    with raises(SerEdgeError, source=tmp_path):
        write_demo_corpus(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with raises(SerEdgeError, source=tmp_path / "file" / "demo"):
        write_demo_corpus(tmp_path / "file" / "demo")


@pytest.mark.parametrize("takes", [0, 5])
def test_takes_out_of_range(tmp_path: Path, takes: int) -> None:
    with raises(ConfigError, f"takes={takes}", "from 1 to 4"):
        write_demo_corpus(tmp_path, takes=takes)


def test_seed_out_of_range(tmp_path: Path) -> None:
    with raises(ConfigError, "seed=-1"):
        write_demo_corpus(tmp_path, seed=-1)
