"""Features of labelled clips: computed in parallel, cached by content and settings.

The cache has one file per clip, written beside and renamed: an interrupted run loses only the clips
that it was computing. It is a sha256 of key and content, then the content, an ``.npz``. A file that
is not what was written under its key is computed anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import platformdirs
from joblib import Parallel, delayed
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ser_edge import audio
from ser_edge.checks import check_number
from ser_edge.errors import AudioError, SerEdgeError
from ser_edge.frontend import Frontend
from ser_edge_train.augment import augment_wave
from ser_edge_train.corpora import Clip, Rejected
from ser_edge_train.progress import tracked
from ser_edge_train.recipes import Recipe
from ser_edge_train.zero_tail import ZeroTailed

_CACHE_VERSION = 5  # raise it when the same settings give other features
_CHECKSUM_BYTES = 32


@dataclass(frozen=True)
class ClipFeatures:
    """The features of one clip's windows.

    Parameters
    ----------
    features : np.ndarray [shape=(n_windows, n_frames, n_columns), dtype=float32]
        Not standardised.
    augmentation : np.ndarray [shape=(n_windows,), dtype=int64]
        The augmentation of each window; 0 is the original.
    digest : str
        sha256 of the file.
    seconds : float
        Duration of the original [s].
    """

    features: NDArray[np.float32]
    augmentation: NDArray[np.int64]
    digest: str
    seconds: float


@dataclass(frozen=True)
class FeatureStore:
    """Compute and cache the features of a recipe.

    The default `folder` is in the user's cache folder, `seed` is that of the augmentations, and
    `jobs` is the number of processes, -1 for one per core. Raises `ConfigError` for other `jobs`.
    """

    recipe: Recipe
    folder: Path | None = None
    seed: int = 0
    jobs: int = -1

    def __post_init__(self) -> None:
        if self.jobs != -1:
            check_number("jobs", self.jobs, 1, integer=True)

    def originals(self, clips: Sequence[Clip]) -> list[ClipFeatures | Rejected]:
        """Compute the features of clips; an unusable clip gives its rejection."""
        return self._compute(clips, range(1), "features")

    def augmented(self, clips: Sequence[Clip]) -> list[ClipFeatures | Rejected]:
        """Compute the features of all augmentations of clips."""
        return self._compute(clips, range(1, 1 + self.recipe.wave.augmentations), "augmentation")

    def _compute(
        self, clips: Sequence[Clip], augmentations: range, description: str
    ) -> list[ClipFeatures | Rejected]:
        tasks = (delayed(_load_or_compute)(self, clip, augmentations) for clip in clips)
        results = Parallel(n_jobs=self.jobs, return_as="generator")(tasks)
        return list(tracked(results, description, len(clips)))

    def path(self, digest: str, speaker: str, augmentations: range) -> Path:
        """Return the cache file for the augmentations of a recording; its stem is the key."""
        settings = {
            "version": _CACHE_VERSION,
            "features": asdict(self.recipe.features),
            "window": asdict(self.recipe.window),
            **({"zero_tail": True} if self.recipe.zero_tail else {}),
            "augmentations": [augmentations.start, augmentations.stop],
        }
        if augmentations.start > 0:
            settings |= {"wave": asdict(self.recipe.wave), "seed": self.seed, "speaker": speaker}
        key = hashlib.sha256((digest + json.dumps(settings)).encode()).hexdigest()
        folder = self.folder or Path(platformdirs.user_cache_dir("ser-edge")) / "features"
        return folder / key[:2] / f"{key}.features"


def _load_or_compute(
    store: FeatureStore, clip: Clip, augmentations: range
) -> ClipFeatures | Rejected:
    try:
        digest = hashlib.sha256(clip.path.read_bytes()).hexdigest()
    except OSError as error:
        return Rejected(clip.path, f"cannot be read ({error.strerror})")
    cached = store.path(digest, clip.speaker, augmentations)
    content = _read(cached)
    if content is not None:
        with np.load(io.BytesIO(content)) as arrays:
            return ClipFeatures(
                arrays["features"], arrays["augmentation"], digest, float(arrays["seconds"])
            )
    try:
        computed = _features(store, clip, augmentations, digest)
    except AudioError as error:
        return Rejected(clip.path, error.problem)
    file = io.BytesIO()
    names = ("features", "augmentation", "seconds")
    np.savez(file, **{name: getattr(computed, name) for name in names})
    _write(cached, file.getvalue())
    return computed


def _read(path: Path) -> bytes | None:
    """Return the content of a cache file, None if it is missing or damaged."""
    try:
        stored = path.read_bytes() if path.is_file() else b""  # a FIFO would block
    except OSError:
        return None
    checksum, content = stored[:_CHECKSUM_BYTES], stored[_CHECKSUM_BYTES:]
    return content if checksum == _checksum(path, content) else None


def _write(path: Path, content: bytes) -> None:
    partial = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(_checksum(path, content) + content)
        partial.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        if isinstance(error, OSError):
            raise SerEdgeError(
                f"the features cannot be stored ({error.strerror})",
                "free or repair the place, or choose another --cache",
                path,
            ) from None
        raise


def _checksum(path: Path, content: bytes) -> bytes:
    return hashlib.sha256(path.stem.encode() + content).digest()


def _features(store: FeatureStore, clip: Clip, augmentations: range, digest: str) -> ClipFeatures:
    recipe = store.recipe
    sample_rate = recipe.features.sample_rate
    front_end = (ZeroTailed if recipe.zero_tail else Frontend)(recipe.features, recipe.window)
    samples = audio.load(clip.path, sample_rate)
    rng = np.random.default_rng([store.seed, int(digest[:16], 16)])
    speaker = int(hashlib.sha256((clip.speaker or digest).encode()).hexdigest()[:16], 16)
    features = []
    # The number of BLAS threads changes the last digits, and differs between processes.
    with threadpool_limits(1, user_api="blas"):
        for number in augmentations:
            session = np.random.default_rng([store.seed, number, speaker])
            augmented = augment_wave(samples, sample_rate, recipe.wave, number, rng, session)
            features.append(front_end(augmented)[0])
    augmentation = np.repeat(np.array(augmentations), [len(windows) for windows in features])
    return ClipFeatures(np.concatenate(features), augmentation, digest, len(samples) / sample_rate)


@dataclass(frozen=True)
class Windows:
    """The windows of many clips, in one array.

    Parameters
    ----------
    features : np.ndarray [shape=(n, n_frames, n_columns), dtype=float32]
        Not standardised.
    clip, augmentation : np.ndarray [shape=(n,), dtype=int64]
        Clip index and augmentation number of each window.
    """

    features: NDArray[np.float32]
    clip: NDArray[np.int64]
    augmentation: NDArray[np.int64]

    @classmethod
    def of(cls, numbered: Sequence[tuple[int, ClipFeatures]]) -> Windows:
        """Join the features of clips, each given with its index."""
        return cls(
            np.concatenate([item.features for _, item in numbered]),
            np.concatenate([np.full(len(item.features), number) for number, item in numbered]),
            np.concatenate([item.augmentation for _, item in numbered]),
        )

    def select(self, rows: NDArray[np.int64]) -> Windows:
        """Return the windows of (clip, augmentation) pairs [shape=(n_rows, 2)]."""
        wanted = {(int(clip), int(augmentation)) for clip, augmentation in rows}
        pairs = zip(self.clip.tolist(), self.augmentation.tolist(), strict=True)
        kept = np.array([pair in wanted for pair in pairs], dtype=bool)
        return Windows(self.features[kept], self.clip[kept], self.augmentation[kept])
