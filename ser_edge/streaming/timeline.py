"""What is heard in the course of a recording, however long it is."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ser_edge.audio import blocks
from ser_edge.classifier import Classifier
from ser_edge.prediction import Segment
from ser_edge.streaming.stream import Stream

_PER_S = 50


@dataclass(frozen=True)
class Timeline:
    """A recording, heard from its start to its end.

    Parameters
    ----------
    segments : tuple of Segment
        As a `ser_edge.streaming.stream.Stream` gives them; the last reaches to the recording's end.
    seconds : float
        The recording's length [s].
    envelope : np.ndarray [shape=(n, 2), dtype=float32]
        Its lowest and highest sample, 50 times a second.
    """

    segments: tuple[Segment, ...]
    seconds: float
    envelope: NDArray[np.float32]


def analyze(
    classifier: Classifier,
    recording: str | os.PathLike[str] | bytes,
    *,
    hop_s: float = 0.5,
) -> Timeline:
    """Hear a recording as if it were spoken now.

    Parameters
    ----------
    classifier : Classifier
        The network.
    recording : path or bytes
        A WAV file, or its content; others with ``soundfile``.
    hop_s : float > 0
        See `ser_edge.streaming.stream.Stream`.

    Returns
    -------
    timeline : Timeline
        One that is no longer than a window has one segment.

    Raises
    ------
    AudioError
        If it cannot be read; if it is silent, and no longer than a window.
    """
    sample_rate = classifier.bundle.manifest.input.features.sample_rate
    stream = Stream(classifier, sample_rate, hop_s=hop_s)
    segments: list[Segment] = []
    envelopes: list[NDArray[np.float32]] = []
    n_samples, step = 0, sample_rate // _PER_S
    for block in blocks(recording, sample_rate):
        segments += stream.feed(block)
        n_samples += len(block)
        whole = np.resize(block, (-(-len(block) // step), step))
        envelopes.append(np.stack([whole.min(axis=1), whole.max(axis=1)], axis=1))
    segments += stream.flush()
    if not segments:
        segments = [Segment(**vars(window)) for window in classifier.predict(recording).windows]
    segments[-1] = replace(segments[-1], end_s=n_samples / sample_rate)
    return Timeline(tuple(segments), n_samples / sample_rate, np.concatenate(envelopes))
