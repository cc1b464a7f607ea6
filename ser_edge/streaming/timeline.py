"""The timeline of a recording of any length: its segments and its envelope."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ser_edge.audio import blocks
from ser_edge.choices import HOP_S
from ser_edge.classifier import Classifier
from ser_edge.prediction import Segment
from ser_edge.streaming.stream import Stream

_ENVELOPE_RATE = 50  # values a second; in recordings over 25 s finer than a pixel of the plot


@dataclass(frozen=True)
class Timeline:
    """Segments and envelope of a recording.

    Parameters
    ----------
    segments : tuple of Segment
        As of a `ser_edge.streaming.stream.Stream`; the last one reaches to the recording's end.
    seconds : float
        The recording's length [s].
    envelope : np.ndarray [shape=(n, 2), dtype=float32]
        Its lowest and highest sample, 50 times a second.
    """

    segments: tuple[Segment, ...]
    seconds: float
    envelope: NDArray[np.float32]


def analyze(
    classifier: Classifier, recording: str | os.PathLike[str] | bytes, *, hop_s: float = HOP_S
) -> Timeline:
    """Compute the timeline of a recording, in constant memory but for the result.

    Parameters
    ----------
    classifier : Classifier
        The network; its profile, if any, is used.
    recording : path or bytes
        A WAV file, or its content; other formats with ``soundfile``.
    hop_s : float > 0
        Time from one window to the next [s].

    Returns
    -------
    timeline : Timeline
        It has one segment if the recording is not longer than a window.

    Raises
    ------
    AudioError
        If it cannot be read, or if it is silent and not longer than a window.
    ConfigError
        If `hop_s` is out of range.
    """
    sample_rate = classifier.bundle.manifest.input.features.sample_rate
    stream = Stream(classifier, sample_rate, hop_s=hop_s)
    segments: list[Segment] = []
    envelopes: list[NDArray[np.float32]] = []
    n_samples, step = 0, sample_rate // _ENVELOPE_RATE
    for block in blocks(recording, sample_rate):
        segments += stream.feed(block)
        n_samples += len(block)
        steps = np.resize(block, (-(-len(block) // step), step))
        envelopes.append(np.stack([steps.min(axis=1), steps.max(axis=1)], axis=1))
    segments += stream.flush()
    if not segments:
        segments = [Segment(**vars(window)) for window in classifier.predict(recording).windows]
    segments[-1] = replace(segments[-1], end_s=n_samples / sample_rate)
    return Timeline(tuple(segments), n_samples / sample_rate, np.concatenate(envelopes))
