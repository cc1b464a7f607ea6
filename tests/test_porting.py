"""The code of docs/porting.md, against the golden stages and the runtime."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ser_edge import FeatureConfig, FeatureExtractor, WindowConfig
from ser_edge.features import flatten
from ser_edge.window import cut_window, window_starts

PAGE = (Path(__file__).parents[1] / "docs" / "porting.md").read_text("utf-8")
FRONT_END, READER = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
TOLERANCES = {
    stage.partition(",")[0]: float(allowed)
    for stage, allowed in re.findall(r"^\| ([\w -]+[^|]*?) \| `\w.*\| ([\de-]+) \|$", PAGE, re.M)
}


def run(code: str) -> SimpleNamespace:
    names: dict[str, Any] = {}
    exec(code, names)
    return SimpleNamespace(**names)


PORT = run(FRONT_END)


@pytest.fixture(scope="module")
def manifest(bundle_dir: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((bundle_dir / "manifest.json").read_text("utf-8"))
    return content


@pytest.fixture(scope="module")
def arrays(bundle_dir: Path) -> dict[str, NDArray[Any]]:
    """golden.npz, read by the page's own code."""
    read = run(READER).read_npz(bundle_dir / "golden.npz")
    return {name: np.array(numbers).reshape(shape) for name, (shape, numbers) in read.items()}


def samples_of(arrays: dict[str, NDArray[Any]], number: int) -> list[float]:
    return [value / 32768 for value in arrays[f"clip{number}_samples"].tolist()]


def assert_close(stage: str, found: Any, expected: NDArray[Any], share_of: Any = 1.0) -> None:
    np.testing.assert_array_less(
        np.abs(np.array(found) - expected) / share_of, TOLERANCES[stage] + 1e-300
    )


def test_the_page_has_a_tolerance_for_each_stage() -> None:
    assert TOLERANCES == {
        "window starts": 0,
        "frames": 0,
        "Hann window": 1e-7,
        "power": 1e-6,
        "mel": 1e-4,
        "dB": 4e-4,
        "MFCC": 4e-4,
        "ZCR": 1e-7,
        "RMS": 1e-5,
        "inputs": 1e-4,
        "probabilities": 1e-6,
    }


def test_the_page_lists_every_array(golden: dict[str, Any], arrays: dict[str, Any]) -> None:
    assert arrays.keys() == golden.keys()
    for name, values in golden.items():
        np.testing.assert_array_equal(arrays[name], values)
    generic = {
        re.sub(r"clip\d", "clip{i}", re.sub("output_.*", "output_{file}", n)) for n in arrays
    }
    assert generic == set(re.findall(r"^\| `([^`]+)` \| \(", PAGE, re.M))


def test_every_stage(arrays: dict[str, NDArray[Any]], manifest: dict[str, Any]) -> None:
    given, config = manifest["input"], manifest["input"]["features"]
    for number in range(3):
        starts = PORT.window_starts(
            samples_of(arrays, number), config["sample_rate"], given["window"]
        )
        assert starts == arrays[f"clip{number}_starts"].tolist()
    length = round(given["window"]["duration_s"] * config["sample_rate"])
    window = PORT.cut_window(samples_of(arrays, 0), 0, length)
    rows, cut, hann = arrays["stage_rows"], PORT.frames(window, config), PORT.hann(config["n_fft"])
    assert rows.tolist() == [0, len(cut) // 2, len(cut) - 1]
    assert_close("frames", np.array(cut)[rows], arrays["stage_frames"])
    assert_close("Hann window", hann, arrays["stage_hann"])
    powers = [PORT.power(frame, hann) for frame in cut]
    power = arrays["stage_power"]
    assert_close("power", np.array(powers)[rows], power, power.max(axis=1, keepdims=True))
    mel = PORT.mel(powers, PORT.mel_bands(config))
    assert_close("mel", mel, arrays["stage_mel"], arrays["stage_mel"])
    levels = PORT.decibels(mel)
    assert_close("dB", levels, arrays["stage_decibels"])
    mfcc = [PORT.mfcc(row, config["n_mfcc"]) for row in levels]
    assert_close("MFCC", mfcc, arrays["stage_mfcc"])


def test_inputs_and_probabilities(
    arrays: dict[str, NDArray[Any]], manifest: dict[str, Any]
) -> None:
    given = manifest["input"]
    length = round(given["window"]["duration_s"] * given["features"]["sample_rate"])
    samples, start = samples_of(arrays, 2), arrays["clip2_starts"].tolist()[1]
    rows = PORT.features(PORT.cut_window(samples, start, length), given["features"])
    found, expected = flat(rows), arrays["clip2_features"][1]
    assert given["features"]["descriptors"] == ["zcr", "log_rms", "mfcc"]
    for stage, columns in (("ZCR", slice(0, 1)), ("RMS", slice(1, 2)), ("MFCC", slice(2, None))):
        assert_close(stage, found[:, columns], expected[:, columns])
    inputs = PORT.network_input(rows, given["layout"], given["mean"], given["scale"])
    assert_close("inputs", inputs, arrays["clip2_inputs"][1])
    each = [PORT.probabilities(row, manifest["temperature"]) for row in arrays["clip2_logits"]]
    assert_close("probabilities", np.mean(each, axis=0), arrays["clip2_probabilities"])


def flat(rows: Any) -> NDArray[np.float64]:
    return np.array([[value for columns in row for value in columns] for row in rows])


@pytest.mark.parametrize(
    "config",
    [
        FeatureConfig(16000, 512, 160, 13, 40, 20.0, 7600.0, True, ("rms", "mfcc", "zcr")),
        FeatureConfig(8000, 256, 256, 5, 24, 0.0, None, False, ("log_mel", "zcr", "log_rms")),
        FeatureConfig(44100, 1024, 2000, 20, 64, 300.0, None, True, ("zcr", "rms", "mfcc")),
        FeatureConfig(descriptors=("log_f0", "voicing", "mfcc")),
        FeatureConfig(8000, 256, 100, center=False, descriptors=("voicing", "rms", "log_f0")),
    ],
    ids=["rms first", "not centred", "gaps", "pitch", "pitch in short frames"],
)
def test_other_settings(rng: np.random.Generator, config: FeatureConfig) -> None:
    samples = (rng.standard_normal(6000) * np.linspace(0, 0.5, 6000)).astype(np.float32)
    samples[2000:2600] = 0
    samples[2100:2600:2] = -1e-11  # which counts as positive
    expected = FeatureExtractor(config)(samples)
    settings = json.loads(json.dumps(config.to_dict()))
    rows = PORT.features([float(x) for x in samples], settings)
    # Measured 3e-5; the runtime's sums in float32 differ between processors.
    np.testing.assert_allclose(flat(rows), expected, rtol=0, atol=2e-4)
    vector = flatten(expected, config)
    laid_out = PORT.network_input(rows, "flat", [1.0] * len(vector), [2.0] * len(vector))
    np.testing.assert_allclose(laid_out, (vector - 1) / 2, rtol=0, atol=1e-4)


@pytest.mark.parametrize("placement", ["speech", "offset"])
def test_windows_of_any_clip(rng: np.random.Generator, placement: str) -> None:
    counts = set()
    for _ in range(150):
        duration_s, hop_s, offset_s = rng.uniform(0.1, 0.6, 3).tolist()
        config = WindowConfig(duration_s, hop_s, placement, offset_s / 2)
        samples = rng.standard_normal(rng.integers(1, 16000)).astype(np.float32)
        samples *= rng.random(20).repeat(800)[: len(samples)] ** 8
        settings = json.loads(json.dumps(vars(config)))
        port = [float(x) for x in samples]
        starts = window_starts(samples, config, 8000).tolist()
        assert PORT.window_starts(port, 8000, settings) == starts
        length = config.n_samples(8000)
        for start in starts:
            expected = cut_window(samples, start, length)
            np.testing.assert_array_equal(PORT.cut_window(port, start, length), expected)
        counts.add(len(starts))
    assert counts >= {1, 2, 3, 4}


def test_a_start_that_double_precision_moves() -> None:
    """Sample 21 / 28 * 10804 = 8103 is reached as 8102.999…, and cut to 8102."""
    config = WindowConfig(duration_s=0.1, hop_s=0.05, placement="offset")
    samples = np.ones(10804 + 800, np.float32)
    starts = window_starts(samples, config, 8000).tolist()
    assert starts[21] == 8102
    assert PORT.window_starts(samples.tolist(), 8000, vars(config)) == starts
