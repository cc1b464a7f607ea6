"""The notebook's way, librosa and Keras, behind the names that the endpoint imports.

It hears the same windows as ser-edge, which cost next to nothing; decoding, resampling, features
and network are librosa's and Keras's. The network is a ``tf.function``, called once for all windows
of a clip: many times faster than ``model.predict``. `bench_backend.py` compares the two.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import librosa
import numpy as np
import soundfile
import tensorflow as tf
from numpy.typing import NDArray

from ser_edge.window import WindowConfig, cut_window, window_starts

AudioError = soundfile.SoundFileError
SerEdgeError = RuntimeError


class Classifier:
    """As much of ``ser_edge.Classifier`` as the endpoint needs."""

    def __init__(self, run: Path) -> None:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        settings = json.loads((run / "run.json").read_text("utf-8"))
        given = settings["input"]
        self._labels = settings["labels"]
        self._temperature = settings["temperature"]
        self._features = given["features"]
        self._window = WindowConfig(**given["window"])
        self._mean, self._scale = (np.float32(given[name]) for name in ("mean", "scale"))
        model = tf.keras.models.load_model(run / "model.keras", compile=False)
        shape = (None, *model.input_shape[1:])
        self._network = tf.function(model, input_signature=[tf.TensorSpec(shape, tf.float32)])

    @classmethod
    def load(cls, folder: str) -> Classifier:
        return cls(Path(folder))

    def predict(self, body: bytes, *, max_s: float, budget_s: float) -> SimpleNamespace:
        rate = self._features["sample_rate"]
        samples, _ = librosa.load(io.BytesIO(body), sr=rate, duration=max_s)
        starts = window_starts(samples, self._window, rate)
        length = self._window.n_samples(rate)
        inputs = np.stack([self._inputs(cut_window(samples, start, length)) for start in starts])
        each = tf.nn.softmax(self._network(inputs) / self._temperature).numpy()
        windows = [
            {"start_s": start / rate, "end_s": (start + length) / rate, **self._named(row)}
            for start, row in zip(starts.tolist(), each, strict=True)
        ]
        answer = {**self._named(each.mean(axis=0)), "windows": windows}
        return SimpleNamespace(to_dict=lambda: answer)

    def _inputs(self, y: NDArray[np.float32]) -> NDArray[np.float32]:
        rate, framing = self._features["sample_rate"], {"hop_length": self._features["hop_length"]}
        spectra = {"y": y, "n_fft": self._features["n_fft"], **framing}
        framing["frame_length"] = self._features["n_fft"]
        sizes = {name: self._features[name] for name in ("n_mfcc", "n_mels")}
        descriptors = {
            "zcr": lambda: librosa.feature.zero_crossing_rate(y, **framing),
            "log_rms": lambda: np.log10(librosa.feature.rms(y=y, **framing) + 1e-5),
            "mfcc": lambda: librosa.feature.mfcc(sr=rate, **sizes, **spectra),
            "log_f0": lambda: np.log2(librosa.yin(y, fmin=60, fmax=600, sr=rate, **framing) / 200),
            # librosa has voicing in pyin alone, which takes seconds.
            "voicing": lambda: 1 - librosa.feature.spectral_flatness(**spectra),
        }
        rows = np.vstack([descriptors[name]() for name in self._features["descriptors"]]).T
        return np.asarray((rows - self._mean) / self._scale, np.float32)

    def _named(self, probabilities: NDArray[np.float32]) -> dict[str, Any]:
        best = int(probabilities.argmax())
        return {
            "label": self._labels[best],
            "probability": float(probabilities[best]),
            "probabilities": dict(zip(self._labels, probabilities.tolist(), strict=True)),
        }
