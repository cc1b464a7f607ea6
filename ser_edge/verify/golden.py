"""Read a bundle's golden clips: samples, and the result of each stage at the export."""

from __future__ import annotations

import io
import zipfile
import zlib
from dataclasses import dataclass
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ser_edge.audio import as_signal
from ser_edge.bundle import GOLDEN, MAX_GOLDEN_BYTES, Bundle
from ser_edge.errors import BundleError, ConfigError, first_line
from ser_edge.manifest import Manifest, ModelFile
from ser_edge.npy import read_array
from ser_edge.window import cut_window

_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@dataclass(frozen=True)
class GoldenClip:
    """A clip, and the result of each stage.

    Attributes
    ----------
    samples : np.ndarray [shape=(n,), dtype=int16]
        At the features' sample rate.
    starts : np.ndarray [shape=(n_windows,), dtype=int64]
        First sample of each window.
    features : np.ndarray [shape=(n_windows, n_frames, n_columns), dtype=float32]
        Before standardisation.
    inputs : np.ndarray [shape=(n_windows, *input_shape), dtype=float32]
        The network's inputs.
    logits : np.ndarray [shape=(n_windows, n_labels), dtype=float32]
        Logits of the float network.
    probabilities : np.ndarray [shape=(n_labels,), dtype=float64]
        After temperature, softmax and mean over the windows.
    outputs : dict of str to np.ndarray [shape=(n_windows, n_labels), dtype=float32]
        Output of each model file, by its name.
    """

    samples: NDArray[np.int16]
    starts: NDArray[np.int64]
    features: NDArray[np.float32]
    inputs: NDArray[np.float32]
    logits: NDArray[np.float32]
    probabilities: NDArray[np.float64]
    outputs: dict[str, NDArray[np.float32]]

    def model_inputs(self, model: ModelFile, window_samples: int) -> NDArray[np.float32]:
        """Return a model file's inputs for this clip: features, or the windows' samples."""
        if model.input_kind != "audio":
            return self.inputs
        signal = as_signal(self.samples)
        return np.stack([cut_window(signal, start, window_samples) for start in self.starts])


def read_golden(bundle: Bundle) -> tuple[GoldenClip, ...]:
    """Read a bundle's ``golden.npz``.

    Parameters
    ----------
    bundle : Bundle
        The exported folder.

    Returns
    -------
    clips : tuple of GoldenClip
        At least one.

    Raises
    ------
    BundleError
        If the file is missing, is not as exported, or does not fit the manifest.
    """
    content = bundle.golden_bytes()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > MAX_GOLDEN_BYTES:
                raise ConfigError(f"it has more than {MAX_GOLDEN_BYTES >> 20} MiB")
            if any(member.compress_type not in _COMPRESSIONS for member in members):
                raise ConfigError("its compression is not one that NumPy writes")
            names = set(archive.namelist())
            n_clips = sum(f"clip{i}_samples.npy" in names for i in range(len(names)))
            return tuple(_clip(archive, i, bundle.manifest) for i in range(max(1, n_clips)))
    except KeyError as error:
        reason = str(error.args[0])  # "There is no item named ... in the archive"
    except (BadZipFile, EOFError, OSError, RuntimeError, ValueError, zlib.error) as error:
        reason = first_line(error)
    raise BundleError(
        f"does not fit its manifest: {reason}", "export it again", bundle.folder / GOLDEN
    )


def _clip(archive: zipfile.ZipFile, number: int, manifest: Manifest) -> GoldenClip:
    def array(name: str, dtype: str, *shape: int) -> NDArray[Any]:
        values = read_array(archive, f"clip{number}_{name}.npy", dtype)
        if values.shape != shape:
            raise ConfigError(f"clip{number}_{name} has shape {values.shape}, expected {shape}")
        return values

    def vector(name: str, dtype: str) -> NDArray[Any]:
        values = read_array(archive, f"clip{number}_{name}.npy", dtype)
        if values.ndim != 1 or not len(values):
            raise ConfigError(f"clip{number}_{name} has shape {values.shape}, expected one axis")
        return values

    samples, starts = vector("samples", "int16"), vector("starts", "int64")
    if starts.min() < 0 or starts.max() >= len(samples):
        raise ConfigError(f"clip{number}_starts exceed its {len(samples)} samples")
    n, n_labels, config = len(starts), len(manifest.labels), manifest.input
    names = set(archive.namelist())
    return GoldenClip(
        samples=samples,
        starts=starts,
        features=array("features", "float32", n, *config.window_shape),
        inputs=array("inputs", "float32", n, *config.shape),
        logits=array("logits", "float32", n, n_labels),
        probabilities=array("probabilities", "float64", n_labels),
        outputs={
            model.file: array(f"output_{model.file}", "float32", n, n_labels)
            for model in manifest.models
            if f"clip{number}_output_{model.file}.npy" in names
        },
    )
