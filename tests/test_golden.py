"""The golden clips as the export writes them: arrays, and the interpreters that computed them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ser_edge import Bundle, FeatureExtractor
from ser_edge.audio import as_signal
from ser_edge.backends import open_model
from ser_edge.manifest import ModelFile
from ser_edge.window import cut_window
from ser_edge_export import golden_clips as golden_module
from ser_edge_export.golden_clips import golden_clips, save_golden

KINDS = {"samples": "int16", "starts": "int64", "rows": "int64", "probabilities": "float64"}


def save(path: Path, bundle: Bundle) -> str:
    file = bundle.folder / "model.float32.npz"
    network = open_model(file.read_bytes(), "numeric", file)
    return save_golden(path, golden_clips(bundle.manifest.input), network.run, bundle)


def load(path: Path) -> dict[str, NDArray[Any]]:
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def test_the_test_bundle_has_what_the_export_writes(
    tmp_path: Path, bundle_dir: Path, golden: dict[str, Any]
) -> None:
    path = tmp_path / "golden.npz"
    digest = save(path, Bundle.open(bundle_dir))
    assert digest == save(tmp_path / "again.npz", Bundle.open(bundle_dir))
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert path.stat().st_size < 700_000
    arrays = load(path)
    assert arrays.keys() == golden.keys()
    for name, values in arrays.items():
        assert values.dtype == KINDS.get(name.split("_")[1], "float32"), name
        assert values.flags.c_contiguous
        # Processors and interpreters differ: the features by 1.5e-4, int8 logits by 0.12.
        atol = 0.3 if "int8" in name else 1e-3 * max(1, np.abs(values).max() / 1000)
        np.testing.assert_allclose(values, golden[name], rtol=0, atol=atol, err_msg=name)


def test_the_stages_are_those_of_the_features(bundle_dir: Path, golden: dict[str, Any]) -> None:
    config = Bundle.open(bundle_dir).manifest.input
    extract = FeatureExtractor(replace(config.features, descriptors=("log_mel", "mfcc")))
    length = config.window_samples
    window = cut_window(as_signal(golden["clip0_samples"]), 0, length)
    both = np.concatenate([golden["stage_decibels"], golden["stage_mfcc"]], axis=1)
    # Equal where it was made; processors differ by 1e-4.
    np.testing.assert_allclose(extract(window), both, rtol=0, atol=1e-3)
    mfcc = golden["clip0_features"][0][:, config.features.columns_of["mfcc"]]
    np.testing.assert_array_equal(golden["stage_mfcc"], mfcc)
    spectrum = np.fft.rfft(golden["stage_frames"] * golden["stage_hann"])
    largest = golden["stage_power"].max()
    np.testing.assert_allclose(
        np.abs(spectrum) ** 2, golden["stage_power"], rtol=0, atol=1e-6 * largest
    )
    # The clip is half as long as the window and repeats within the frame in the middle.
    middle = golden["stage_frames"][1]
    joint = len(golden["clip0_samples"]) - (golden["stage_rows"][1] * 512 - 1024)
    assert 0 < joint < len(middle)
    np.testing.assert_array_equal(middle[joint:], window[: len(middle) - joint])


def test_stages_of_a_long_window(bundle_dir: Path) -> None:
    config = Bundle.open(bundle_dir).manifest.input.features
    window = np.sin(np.arange(200_000, dtype=np.float32))
    stages = golden_module._stages(window, config)
    n_frames = config.n_frames(len(window))
    assert n_frames > 192  # more than `ser_edge.features.frames` holds at a time
    assert stages["stage_rows"].tolist() == [0, n_frames // 2, n_frames - 1]
    extract = FeatureExtractor(replace(config, descriptors=("mfcc",)))
    np.testing.assert_array_equal(stages["stage_mfcc"], extract(window))
    begin = (n_frames - 1) * 512 - 1024
    np.testing.assert_array_equal(stages["stage_frames"][2][: len(window) - begin], window[begin:])


def test_every_file_runs_once_on_its_kind_of_input(
    tmp_path: Path, bundle_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = Bundle.open(bundle_dir)
    models = [
        ModelFile(f"{kind}.onnx", "float32", kind, "0" * 64, 1)
        for kind in ("features", "batch", "audio")
    ]
    calls = []

    def run_model_file(
        file: Path, backend: str, inputs: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], float]:
        calls.append((file, backend))
        assert inputs.shape == (4, 66150) if file.name == "audio.onnx" else (4, 130, 22)
        return inputs.reshape(4, -1)[:, :7], 1.0

    monkeypatch.setattr(golden_module, "run_model_file", run_model_file)
    monkeypatch.setattr(
        golden_module,
        "runnable_variants",
        lambda _: [(backend, m) for backend in ("first", "second") for m in models],
    )
    save(tmp_path / "golden.npz", bundle)
    assert calls == [(bundle_dir / model.file, "first") for model in models]
    arrays = load(tmp_path / "golden.npz")
    for number in range(3):
        inputs = arrays[f"clip{number}_inputs"]
        first = inputs.reshape(len(inputs), -1)[:, :7]
        for kind in ("features", "batch"):
            np.testing.assert_array_equal(arrays[f"clip{number}_output_{kind}.onnx"], first)
        signal, starts = as_signal(arrays[f"clip{number}_samples"]), arrays[f"clip{number}_starts"]
        expected = np.stack([signal[start : start + 7] for start in starts])
        np.testing.assert_array_equal(arrays[f"clip{number}_output_audio.onnx"], expected)
