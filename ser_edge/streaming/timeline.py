"""The timeline of a recording of any length: its segments and its envelope."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from ser_edge.audio import blocks, source_name
from ser_edge.choices import HOP_S
from ser_edge.classifier import Classifier
from ser_edge.errors import error_source
from ser_edge.frontend import Frontend, check_scaled
from ser_edge.levels import MIN_SPEECH_S, FrameLevels
from ser_edge.prediction import Segment
from ser_edge.streaming.smoothing import StreamConfig
from ser_edge.streaming.stream import rolling_features
from ser_edge.streaming.voice_activity import MIN_LEVEL_DB

_ENVELOPE_RATE = 50  # values a second; in recordings over 25 s finer than a pixel of the plot


@dataclass(frozen=True)
class Timeline:
    """Segments and envelope of a recording.

    Parameters
    ----------
    segments : tuple of Segment
        One for each hop; the last one reaches to the recording's end.
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
    hop_s: float = HOP_S,
    progress: Callable[[float], object] = lambda _: None,
) -> Timeline:
    """Compute the timeline of a recording, in constant memory but for the result.

    A stream knows only the past, so its labels are late. Here the probabilities of each hop come
    from all windows that cover it: the nearer a window's centre, the higher its weight. Speech and
    pauses are found from both sides as well. Otherwise the rules are those of a
    `ser_edge.streaming.stream.Stream`.

    Parameters
    ----------
    classifier : Classifier
        The network; its profile, if any, is used.
    recording : path or bytes
        A WAV file, or its content; other formats with ``soundfile``.
    hop_s : float > 0
        Time from one window to the next [s].
    progress : callable, optional
        Called with the time in the recording up to which it was processed [s].

    Returns
    -------
    timeline : Timeline
        It has one segment if the recording is not longer than a window.

    Raises
    ------
    AudioError
        If it cannot be read or is not scaled to ±1, or if it is silent and not longer than a
        window.
    ConfigError
        If `hop_s` is out of range.
    """
    config = classifier.bundle.manifest.input
    sample_rate = config.features.sample_rate
    rolling = rolling_features(config, hop_s)
    levels = FrameLevels(sample_rate)
    rows: list[NDArray[np.float64]] = []
    envelopes: list[NDArray[np.float32]] = []
    short: list[NDArray[np.float32]] = []  # until the first window is complete
    step = sample_rate // _ENVELOPE_RATE
    with error_source(source_name(recording)):
        for block in blocks(recording, sample_rate):
            levels.feed(block)
            check_scaled(levels.peak)
            for _, _, features in rolling.feed(block):
                rows.extend(classifier.probabilities(config.network_inputs(features[None])))
            short = [] if rows else [*short, block]
            steps = np.resize(block, (-(-len(block) // step), step))
            envelopes.append(np.stack([steps.min(axis=1), steps.max(axis=1)], axis=1))
            progress(levels.n_samples / sample_rate)
        if not rows:
            features, _ = Frontend(config.features, config.window)(np.concatenate(short))
            rows.extend(classifier.probabilities(config.network_inputs(features)))
    seconds = levels.n_samples / sample_rate
    if short:
        probabilities, states = np.stack(rows), [levels.state]
        edges_s = np.array([0.0, seconds])
    else:
        n_hops = levels.n_samples // rolling.hop_samples
        edges_s = np.arange(n_hops + 1) * (rolling.hop_samples / sample_rate)
        edges_s[-1] = seconds
        probabilities = _centred(np.stack(rows), n_hops, edges_s[1], config.window.duration_s)
        states = _states(levels, edges_s, sample_rate, config.window.duration_s)
    segments = [
        _segment(start_s, end_s, row, state, classifier.labels)
        for start_s, end_s, row, state in zip(
            edges_s[:-1].tolist(), edges_s[1:].tolist(), probabilities, states, strict=True
        )
    ]
    return Timeline(tuple(segments), seconds, np.concatenate(envelopes))


def _centred(
    rows: NDArray[np.float64], n_hops: int, hop_s: float, window_s: float
) -> NDArray[np.float64]:
    """Average the probabilities of the windows that cover a hop, for each hop.

    Window ``k`` begins at hop ``k``. Its weight falls from 1 in its middle to 0 at its ends.
    """
    centres_s = np.arange(len(rows)) * hop_s + window_s / 2
    n_before = int(window_s / hop_s) + 1
    averages = np.empty((n_hops, rows.shape[1]))
    for hop in range(n_hops):
        near = slice(max(0, min(hop, len(rows) - 1) - n_before), hop + 1)
        distances_s = np.abs(centres_s[near] - (hop + 0.5) * hop_s)
        weights = np.maximum(1 - distances_s / (window_s / 2), 0)
        if not weights.any():  # a rest after the last window
            weights[-1] = 1
        averages[hop] = weights @ rows[near] / weights.sum()
    return averages


def _states(
    levels: FrameLevels, edges_s: NDArray[np.float64], sample_rate: int, window_s: float
) -> list[str]:
    """Return the state of each hop by its speech alone: silence, uncertain or speech."""
    config = StreamConfig()
    speech = levels.speech(config.margin_db, MIN_LEVEL_DB)
    frame_s = levels.frame_length / sample_rate
    middles_s = (np.arange(len(speech)) + 0.5) * frame_s
    # Seconds of speech before each frame.
    before_s = np.concatenate([[0.0], np.cumsum(speech)]) * frame_s

    def speech_s(begins_s: NDArray[np.float64], ends_s: NDArray[np.float64]) -> NDArray[np.float64]:
        first, stop = np.searchsorted(middles_s, begins_s), np.searchsorted(middles_s, ends_s)
        return np.asarray(before_s[stop] - before_s[first])

    begins_s, ends_s = edges_s[:-1], edges_s[1:]
    reach_s = window_s / 2
    around_s = (begins_s + ends_s) / 2
    enough = speech_s(around_s - reach_s, around_s + reach_s) >= MIN_SPEECH_S
    states: list[str] = []
    for spoken, hops in groupby(
        zip(speech_s(begins_s, ends_s) > 0, enough, begins_s, ends_s, strict=True),
        key=lambda hop: hop[0],
    ):
        run = list(hops)
        pause = not spoken and run[-1][3] - run[0][2] >= config.silence_s
        states += ["silence" if pause else "speech" if hop[1] else "uncertain" for hop in run]
    return states


def _segment(
    start_s: float, end_s: float, row: NDArray[np.float64], state: str, labels: Sequence[str]
) -> Segment:
    best = int(row.argmax())
    probability = float(row[best])
    if state == "speech" and probability < StreamConfig().threshold:
        state = "uncertain"
    by_label = dict(zip(labels, row.tolist(), strict=True))
    label = labels[best] if state == "speech" else None
    return Segment(start_s, end_s, label, probability, by_label, state)
