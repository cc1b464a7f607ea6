"""The kinds of file: how each is made and read, and how much memory it may need."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hypothesis.strategies import SearchStrategy

from ser_edge import SerEdgeError
from ser_edge.backends import INTERPRETERS
from ser_edge.manifest import Manifest

from . import inputs
from .readers import BUNDLE, CLIP, read_manifest, read_model, read_sound, read_wav

NAMES = ("wav", "sound", "manifest", *(name for name, i in INTERPRETERS.items() if i.usable))

_MB = 1 << 20


@dataclass(frozen=True)
class Target:
    """One kind of file."""

    suffix: str
    files: SearchStrategy[bytes]
    good: bytes
    read: Callable[[bytes], object]
    allowed: Callable[[bytes], int]
    """Memory allowed for a file [bytes]."""
    strict: bool = True
    """Whether our code parses it; then all but an answer or our own error is a defect."""


def target(name: str, scratch: Path) -> Target:
    """Return a kind of file by name; its reader may write into ``scratch``."""
    if name == "wav":
        return Target(".wav", inputs.wavs(), CLIP, read_wav, _for_sound)
    if name == "sound":
        return Target(".sound", inputs.sounds(), CLIP, read_sound, _for_sound)
    folder = scratch / name
    shutil.copytree(BUNDLE, folder)
    if name == "manifest":
        good = (BUNDLE / "manifest.json").read_bytes()
        read = partial(read_manifest, folder)
        return Target(".json", inputs.manifests(good), good, read, _for_manifest)
    interpreter = INTERPRETERS[name]
    path = BUNDLE / f"model.{interpreter.precisions[0]}{interpreter.suffix}"
    ours = interpreter.suffix == ".npz"
    return Target(
        interpreter.suffix,
        inputs.archives(path) if ours else inputs.mutated(inputs.content(path)),
        path.read_bytes(),
        partial(read_model, folder, name, path.name),
        _for_model,
        ours,
    )


def _for_sound(data: bytes) -> int:
    """8-bit samples become float32, twice, and a mask."""
    return _MB + 12 * len(data)


def _for_model(data: bytes) -> int:
    return 16 * _MB + 16 * len(data)


def _for_manifest(data: bytes) -> int:
    """Memory that the settings need, if they are legal."""
    base = 8 * _MB + 40 * len(data)
    try:
        settings = Manifest.from_json(data.decode()).input
    except (SerEdgeError, UnicodeDecodeError):
        return base
    features, (frames, columns) = settings.features, settings.window_shape
    samples = settings.window.n_samples(features.sample_rate) + features.n_fft
    matrix = features.n_mels * (features.n_fft // 2 + 1)
    return base + 8 * (6 * samples + 4 * frames * (columns + features.n_mels) + 4 * matrix)
