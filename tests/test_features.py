"""Shapes, order, batches, threads and memory of the extractor."""

import pickle
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from librosa_features import assert_librosas, librosas, random_signal
from numpy.typing import NDArray
from raising import raises

from ser_edge.errors import AudioError
from ser_edge.features import FeatureConfig, FeatureExtractor, flatten
from ser_edge.features.descriptors import DESCRIPTORS

RATE = 22050
MIB = 1 << 20


def noise(rng: np.random.Generator, duration_s: float) -> NDArray[np.float32]:
    return rng.uniform(-0.5, 0.5, round(duration_s * RATE)).astype(np.float32)


def test_the_published_vector(rng: np.random.Generator) -> None:
    y, extract = noise(rng, 2.5), FeatureExtractor()
    zcr, rms, mfcc = librosas(y, extract.config).values()
    assert extract(y).shape == (108, 22)
    vector = extract.flat(y)
    assert vector.shape == (2376,)
    published = np.hstack((zcr[:, 0], rms[:, 0], np.ravel(mfcc)))
    np.testing.assert_allclose(vector, published, rtol=0, atol=1e-3)
    np.testing.assert_allclose(vector[:216], published[:216], rtol=0, atol=1e-6)
    stacked = flatten(np.stack([extract(y), extract(-y)]), extract.config)
    np.testing.assert_array_equal(stacked, [vector, extract.flat(-y)])


def test_any_descriptor_is_flattened_frame_by_frame(rng: np.random.Generator) -> None:
    config = FeatureConfig(n_mels=4, n_mfcc=2, descriptors=("log_mel", "rolloff", "delta"))
    extract, y = FeatureExtractor(config), noise(rng, 0.5)
    features = extract(y)
    expected = [features[:, :4].ravel(), features[:, 4], features[:, 5:].ravel()]
    np.testing.assert_array_equal(extract.flat(y), np.concatenate(expected))


def test_descriptors_are_columns_in_the_order_asked_for(rng: np.random.Generator) -> None:
    y = random_signal(rng)
    config = FeatureConfig(n_mfcc=3, descriptors=("mfcc", "log_rms", "zcr", "rms"))
    features, usual = FeatureExtractor(config)(y), FeatureExtractor()(y)
    np.testing.assert_allclose(features[:, [4, 5, 0, 1, 2]], usual[:, :5], rtol=0, atol=1e-12)
    # The slope of log10 at 1e-5 makes 4e-2 out of RMS's 1e-6; 6e-8 was measured.
    expected = np.log10(usual[:, 1].astype(np.float64) + 1e-5)
    np.testing.assert_allclose(features[:, 3], expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.uint8, np.float64])
def test_integers_are_scaled(rng: np.random.Generator, dtype: type) -> None:
    y = rng.uniform(-0.5, 0.5, 4000)
    if dtype is np.uint8:
        samples, y = np.round(128 * y + 128).astype(dtype), np.round(128 * y) / 128
    elif dtype is np.float64:
        samples = y
    else:
        full_scale = -float(np.iinfo(dtype).min)
        samples, y = np.round(full_scale * y).astype(dtype), np.round(full_scale * y) / full_scale
    extract = FeatureExtractor()
    np.testing.assert_array_equal(extract(samples), extract(y.astype(np.float32)))


@pytest.mark.parametrize(
    ("samples", "value"),
    [
        ([], "no samples"),
        ([0.0, np.nan], "sample 1 is nan"),
        ([np.inf, 0.0], "sample 0 is inf"),
        (np.zeros((2, 100)), "(2, 100)"),
    ],
)
def test_what_is_no_signal_is_refused(samples: Any, value: str) -> None:
    with raises(AudioError, value, source="the array"):
        FeatureExtractor()(samples)


def test_too_short_without_centring() -> None:
    extract = FeatureExtractor(FeatureConfig(center=False))
    assert extract(np.ones(2048, np.float32)).shape == (1, 22)
    with raises(AudioError, "2047 samples", "n_fft=2048", source="the array"):
        extract(np.ones(2047, np.float32))


def test_a_batch_is_its_clips(rng: np.random.Generator) -> None:
    clips = rng.uniform(-0.5, 0.5, (5, 9000)).astype(np.float32)
    extract = FeatureExtractor(FeatureConfig(descriptors=tuple(DESCRIPTORS)))
    expected = np.stack([extract(clip) for clip in clips])
    batch = extract.batch(clips)
    assert batch.dtype == np.float32
    np.testing.assert_array_equal(batch, expected)
    np.testing.assert_array_equal(extract.batch(list(clips)), expected)
    pcm = (clips * 32768).astype(np.int16)
    np.testing.assert_array_equal(extract.batch(pcm)[3], extract(pcm[3]))


@pytest.mark.parametrize(
    ("clips", "source", "values"),
    [
        ([], "", ["no clips"]),
        (np.zeros((0, 100)), "", ["no clips"]),
        (np.zeros((2, 0)), "clip 0", ["no samples"]),
        (np.zeros(100), "clip 0", ["()"]),
        (np.zeros((1, 2, 100)), "clip 0", ["(2, 100)"]),
        ([np.zeros(100), np.zeros(99)], "clip 1", [99, 100]),
        ([np.zeros(100), np.full(100, np.nan)], "clip 1", ["sample 0", "nan"]),
        ([np.zeros(9), "speech"], "clip 1", ["shape ()"]),
    ],
)
def test_what_is_no_batch_is_refused(clips: Any, source: str, values: list[object]) -> None:
    with raises(AudioError, *values, source=source):
        FeatureExtractor().batch(clips)


@pytest.mark.parametrize("center", [True, False])
def test_a_long_signal_is_computed_in_pieces(rng: np.random.Generator, center: bool) -> None:
    extract = FeatureExtractor(FeatureConfig(center=center))
    y = noise(rng, 12)
    # The loudest sound, to which top_db refers, lies in another piece than the most.
    y[: 8 * RATE] *= 1e-4
    features = extract(y)
    assert len(features) > 2 * len(extract._framing.buffers.power)
    assert_librosas(features, y, extract.config)


def allocated(extract: FeatureExtractor, y: NDArray[np.float32]) -> tuple[int, int]:
    """Return the peak memory of a second call, and what it leaves allocated [bytes]."""
    extract(y)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        extract(y)
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return peak - before, after - before


def test_a_call_allocates_little(rng: np.random.Generator) -> None:
    # 0.7 MiB with the usual descriptors, 3.7 with all of them.
    for config in (FeatureConfig(), FeatureConfig(descriptors=tuple(DESCRIPTORS))):
        peak, left = allocated(FeatureExtractor(config), noise(rng, 2.5))
        assert peak <= 4 * MIB
        assert left <= 4096


def test_buffers_do_not_grow_with_the_signal(rng: np.random.Generator) -> None:
    extract = FeatureExtractor()
    y = noise(rng, 60)
    peak, left = allocated(extract, y)
    # Mel bands, in float64 once more for the DCT, and the features.
    n_frames = extract.config.n_frames(len(y))
    assert peak <= n_frames * (128 * (4 + 8) + 20 * 8 + 22 * 4) + MIB
    assert left <= 4096


def test_the_most_that_is_legal_fits_into_memory() -> None:
    config = FeatureConfig(n_fft=16384, n_mels=512, n_mfcc=512)
    assert FeatureExtractor(config)(np.ones(100, np.float32)).shape == (1, 514)


def test_threads_share_an_extractor(rng: np.random.Generator) -> None:
    signals = [random_signal(rng) for _ in range(24)]
    expected = [FeatureExtractor()(y) for y in signals]
    extract = FeatureExtractor()
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            for found, wanted in zip(pool.map(extract, signals), expected, strict=True):
                np.testing.assert_array_equal(found, wanted)


def test_a_thread_takes_its_buffers_with_it(rng: np.random.Generator) -> None:
    extract, y = FeatureExtractor(), noise(rng, 1)
    tracemalloc.start()
    try:
        for _ in range(5):
            thread = threading.Thread(target=extract, args=(y,))
            thread.start()
            thread.join()
        assert tracemalloc.get_traced_memory()[0] < MIB
    finally:
        tracemalloc.stop()


def test_it_pickles(rng: np.random.Generator) -> None:
    y = random_signal(rng)
    extract = FeatureExtractor(FeatureConfig(n_mfcc=13))
    expected = extract(y)
    copy = pickle.loads(pickle.dumps(extract))
    assert copy.config == extract.config
    np.testing.assert_array_equal(copy(y), expected)
    assert repr(copy) == f"FeatureExtractor({extract.config})"
