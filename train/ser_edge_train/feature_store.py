"""Features of labelled clips: computed in parallel, cached by content and settings.

The cache holds one ``.npz`` for a clip, written beside and renamed, so that an interrupted run
loses what was in flight and no more.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import platformdirs
from joblib import Parallel, delayed
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ser_edge import audio
from ser_edge.errors import AudioError
from ser_edge.frontend import Frontend
from ser_edge_train.augment import wave_copy
from ser_edge_train.corpora import Clip, Rejected
from ser_edge_train.progress import tracked
from ser_edge_train.recipes import Recipe
from ser_edge_train.zero_tail import ZeroTailed

_CACHE_VERSION = 4  # to be raised when the same settings give other features


@dataclass(frozen=True)
class ClipFeatures:
    """The features of one clip's windows.

    Parameters
    ----------
    features : np.ndarray [shape=(n_windows, n_frames, n_columns), dtype=float32]
        Not yet standardised.
    copies : np.ndarray [shape=(n_windows,), dtype=int64]
        Which copy each window is of; 0 is the original.
    digest : str
        sha256 of the file.
    seconds : float
        Length of the original [s].
    """

    features: NDArray[np.float32]
    copies: NDArray[np.int64]
    digest: str
    seconds: float


@dataclass(frozen=True)
class FeatureStore:
    """Compute and cache the features that a recipe asks for.

    Parameters
    ----------
    recipe : Recipe
        Features, windows and augmentation.
    folder : Path, optional
        Where the cache lies; by default in the user's cache folder.
    seed : int
        Decides how augmented copies differ.
    jobs : int
        Processes; -1 is one a core.
    """

    recipe: Recipe
    folder: Path = Path(platformdirs.user_cache_dir("ser-edge")) / "features"
    seed: int = 0
    jobs: int = -1

    def originals(self, clips: Sequence[Clip]) -> list[ClipFeatures | Rejected]:
        """Compute the clips as they are; an unusable one gives the reason instead."""
        return self._compute(clips, range(1), "features")

    def copies(self, clips: Sequence[Clip]) -> list[ClipFeatures | Rejected]:
        """Compute the augmented copies of the clips."""
        return self._compute(clips, range(1, 1 + self.recipe.wave.copies), "augmentation")

    def _compute(
        self, clips: Sequence[Clip], copies: range, description: str
    ) -> list[ClipFeatures | Rejected]:
        self.folder.mkdir(parents=True, exist_ok=True)
        tasks = (delayed(_load_or_compute)(self, clip, copies) for clip in clips)
        results = Parallel(n_jobs=self.jobs, return_as="generator")(tasks)
        return list(tracked(results, description, len(clips)))

    def path(self, digest: str, speaker: str, copies: range) -> Path:
        """Where the features of a file's copies are cached."""
        settings = {
            "version": _CACHE_VERSION,
            "features": asdict(self.recipe.features),
            "window": asdict(self.recipe.window),
            **({"zero_tail": True} if self.recipe.zero_tail else {}),
            "copies": [copies.start, copies.stop],
        }
        if copies.start > 0:
            settings |= {"wave": asdict(self.recipe.wave), "seed": self.seed, "speaker": speaker}
        key = hashlib.sha256((digest + json.dumps(settings)).encode()).hexdigest()
        return self.folder / key[:2] / f"{key}.npz"


def _load_or_compute(store: FeatureStore, clip: Clip, copies: range) -> ClipFeatures | Rejected:
    path = clip.path
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        return Rejected(path, f"cannot be read ({error.strerror})")
    cached = store.path(digest, clip.speaker, copies)
    with contextlib.suppress(OSError, ValueError, KeyError, BadZipFile):  # damaged, or not there
        with np.load(cached) as arrays:
            return ClipFeatures(
                arrays["features"], arrays["copies"], digest, float(arrays["seconds"])
            )
    try:
        computed = _features(store, clip, copies, digest)
    except AudioError as error:
        return Rejected(path, str(error).removeprefix(f"{path.name}: "))
    cached.parent.mkdir(exist_ok=True)
    partial = cached.with_suffix(f".{os.getpid()}.part")
    with partial.open("wb") as file:
        np.savez(
            file,
            features=computed.features,
            copies=computed.copies,
            seconds=computed.seconds,
        )
    partial.replace(cached)
    return computed


def _features(store: FeatureStore, clip: Clip, copies: range, digest: str) -> ClipFeatures:
    recipe = store.recipe
    rate = recipe.features.sample_rate
    front_end = (ZeroTailed if recipe.zero_tail else Frontend)(recipe.features, recipe.window)
    samples = audio.load(clip.path, rate)
    rng = np.random.default_rng([store.seed, int(digest[:16], 16)])
    speaker = int(hashlib.sha256((clip.speaker or digest).encode()).hexdigest()[:16], 16)
    features = []
    # How many threads the BLAS has decides the last digits, and that many a process has.
    with threadpool_limits(1, user_api="blas"):
        for copy in copies:
            session = np.random.default_rng([store.seed, copy, speaker])
            altered = wave_copy(samples, rate, recipe.wave, copy, rng, session)
            features.append(front_end(altered)[0])
    numbers = np.repeat(np.array(copies), [len(windows) for windows in features])
    return ClipFeatures(np.concatenate(features), numbers, digest, len(samples) / rate)


@dataclass(frozen=True)
class Windows:
    """The windows of many clips, in one array.

    Parameters
    ----------
    features : np.ndarray [shape=(n, n_frames, n_columns), dtype=float32]
        Not yet standardised.
    clip, copy : np.ndarray [shape=(n,), dtype=int64]
        Which clip and which of its copies each window belongs to.
    """

    features: NDArray[np.float32]
    clip: NDArray[np.int64]
    copy: NDArray[np.int64]

    @classmethod
    def of(cls, numbered: Sequence[tuple[int, ClipFeatures]]) -> Windows:
        """Join the features of clips, each with its number."""
        return cls(
            np.concatenate([item.features for _, item in numbered]),
            np.concatenate([np.full(len(item.copies), number) for number, item in numbered]),
            np.concatenate([item.copies for _, item in numbered]),
        )

    def select(self, rows: NDArray[np.int64]) -> Windows:
        """Return the windows of (clip, copy) pairs [shape=(n_rows, 2)]."""
        wanted = {(int(clip), int(copy)) for clip, copy in rows}
        pairs = zip(self.clip.tolist(), self.copy.tolist(), strict=True)
        kept = np.array([pair in wanted for pair in pairs], dtype=bool)
        return Windows(self.features[kept], self.clip[kept], self.copy[kept])
