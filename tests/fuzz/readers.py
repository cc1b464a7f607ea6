"""How each kind of file is read, and what must hold for the result."""

from __future__ import annotations

import hashlib
import io
import json
import wave
from pathlib import Path
from typing import Any

import numpy as np
import soundfile  # noqa: F401  # imported before the first file, whose memory is measured
from numpy.typing import NDArray

from ser_edge import AudioError, BundleError, Classifier
from ser_edge.audio import blocks, read

BUNDLE = Path(__file__).parents[1] / "data" / "bundle"


def _clip(seconds: float) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setparams((1, 2, 16000, 0, "NONE", ""))
        tone = 8000 * np.sin(np.arange(round(16000 * seconds)) ** 1.2 / 50)
        wav.writeframes(tone.astype("<i2").tobytes())
    return file.getvalue()


CLIP = _clip(0.25)


def read_wav(data: bytes) -> None:
    """Read it whole, in part and in blocks: all give the same samples, or all refuse it."""
    try:
        samples, rate = read_sound(data)
    except AudioError:
        for _ in blocks(data, int.from_bytes(data[24:28], "little"), block_s=0.01):
            pass
        raise AssertionError("a file that read() refuses was read in blocks") from None
    first, count = len(samples) // 2, max(1, len(samples) // 4)
    part, _ = read(data, offset_s=(first + 0.5) / rate, duration_s=(count + 0.5) / rate)
    np.testing.assert_array_equal(part, samples[first : first + count])
    np.testing.assert_array_equal(np.concatenate([*blocks(data, rate, block_s=0.01)]), samples)


def read_sound(data: bytes) -> tuple[NDArray[np.float32], int]:
    """Read it whole."""
    samples, rate = read(data)
    assert samples.dtype == np.float32
    assert samples.ndim == 1
    assert len(samples)
    assert np.isfinite(samples).all()
    assert 8000 <= rate <= 192000
    return samples, rate


def read_manifest(folder: Path, data: bytes) -> None:
    """Predict with a bundle that has this manifest."""
    (folder / "manifest.json").write_bytes(data)
    _predict(folder, "numeric", None)


def read_model(folder: Path, backend: str, file: str, data: bytes) -> None:
    """Predict with a bundle that has this model file, once its digest is in the manifest."""
    manifest = _manifest()
    entry = next(model for model in manifest["models"] if model["file"] == file)
    (folder / file).write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    if digest != entry["sha256"]:
        _write(folder, manifest)
        try:
            Classifier.load(folder, backend=backend, precision=entry["precision"])
        except BundleError:
            pass
        else:
            raise AssertionError("a file with another digest than the manifest's was opened")
    entry |= {"sha256": digest, "size_bytes": len(data)}
    _write(folder, manifest)
    _predict(folder, backend, entry["precision"])


def _manifest() -> Any:
    content = json.loads((BUNDLE / "manifest.json").read_bytes())
    del content["about"]
    return content


def _write(folder: Path, manifest: Any) -> None:
    (folder / "manifest.json").write_bytes(json.dumps(manifest).encode())


def _predict(folder: Path, backend: str, precision: str | None) -> None:
    prediction = Classifier.load(folder, backend=backend, precision=precision).predict(CLIP)
    assert abs(sum(prediction.probabilities.values()) - 1) < 1e-9
    assert prediction.probability == max(prediction.probabilities.values())
    assert prediction.label in (*prediction.probabilities, None)
