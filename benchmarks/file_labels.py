"""How much do the centred labels of a file gain over those of a live stream?

python benchmarks/file_labels.py CORPUS... [--bundle DIR]

prints the table of docs/streaming.md. Clips of each speaker are joined to a talk with known
boundaries: eight turns of one to three clips of one emotion, pauses between clips, a long silence
now and then. Both label the same talk with the same windows, at the default settings.
"""

from __future__ import annotations

import argparse
import io
import wave
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ser_edge import Classifier, Segment, Stream, audio
from ser_edge.bundle import PRETRAINED
from ser_edge.streaming import analyze
from ser_edge_train.clips import Clip
from ser_edge_train.corpora import find_clips
from ser_edge_train.tables import markdown_table

TURNS = 8
_GRID_S = 0.05


@dataclass(frozen=True)
class Talk:
    """Joined clips of one speaker, and start, end and emotion of each turn."""

    samples: NDArray[np.int16]
    turns: tuple[tuple[float, float, str], ...]


def main() -> None:
    """Read the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("corpora", nargs="+", type=Path, metavar="CORPUS")
    parser.add_argument("--bundle", type=Path, default=PRETRAINED)
    arguments = parser.parse_args()
    classifier = Classifier.load(arguments.bundle)
    sample_rate = classifier.bundle.manifest.input.features.sample_rate
    talks = list(_talks(arguments.corpora, classifier.labels, sample_rate))
    minutes = sum(len(talk.samples) for talk in talks) / sample_rate / 60
    print(f"{len(talks)} talks, {minutes:.0f} minutes\n")

    def live(talk: Talk) -> Sequence[Segment]:
        stream = Stream(classifier, sample_rate)
        return [*stream.feed(talk.samples), *stream.flush()]

    def centred(talk: Talk) -> Sequence[Segment]:
        return analyze(classifier, _wav(talk.samples, sample_rate)).segments

    rows = [(name, *_figures(talks, each)) for name, each in (("live", live), ("file", centred))]
    header = ["labels", "most probable is right", "labelled", "label is right", "turns found"]
    print(markdown_table(header, rows))


def _talks(corpora: Sequence[Path], labels: Sequence[str], sample_rate: int) -> Iterator[Talk]:
    clips = [clip for clip in find_clips(corpora).clips if clip.label in labels]
    speakers = sorted({(clip.corpus, clip.speaker) for clip in clips})
    for number, speaker in enumerate(speakers):
        own = [clip for clip in clips if (clip.corpus, clip.speaker) == speaker]
        if len({clip.label for clip in own}) > 1:
            yield _talk(own, sample_rate, np.random.default_rng(number))


def _talk(clips: Sequence[Clip], sample_rate: int, rng: np.random.Generator) -> Talk:
    labels = sorted({clip.label for clip in clips})
    pieces: list[NDArray[np.float32]] = []
    turns: list[tuple[float, float, str]] = []

    def now_s() -> float:
        return sum(len(piece) for piece in pieces) / sample_rate

    def pause(seconds: float) -> None:
        noise = 1e-4 * rng.standard_normal(round(seconds * sample_rate))
        pieces.append(np.asarray(noise, np.float32))

    last = ""
    for _ in range(TURNS):
        last = str(rng.choice([label for label in labels if label != last]))
        own = [clip for clip in clips if clip.label == last]
        begin_s = now_s()
        for number in rng.choice(len(own), min(len(own), int(rng.integers(1, 4))), False):
            pieces.append(audio.load(own[number].path, sample_rate))
            pause(rng.uniform(0.1, 0.6))
        turns.append((begin_s, now_s(), last))
        if rng.random() < 0.25:
            pause(rng.uniform(2, 5))
    samples = np.clip(np.round(32767 * np.concatenate(pieces)), -32768, 32767)
    return Talk(samples.astype(np.int16), tuple(turns))


def _wav(samples: NDArray[np.int16], sample_rate: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, sample_rate, 0, "NONE", ""))
        writer.writeframes(samples.astype("<i2").tobytes())
    return file.getvalue()


def _figures(
    talks: Sequence[Talk], label: Callable[[Talk], Sequence[Segment]]
) -> tuple[str, str, str, str]:
    """Return shares of the turns' time, and the share of turns that mostly have their label."""
    best, labelled, right, found = [], [], [], []
    for talk in talks:
        segments = label(talk)
        ends_s = np.array([segment.end_s for segment in segments])
        for begin_s, end_s, emotion in talk.turns:
            times_s = np.arange(begin_s, end_s, _GRID_S)
            here = np.minimum(np.searchsorted(ends_s, times_s, "right"), len(segments) - 1)
            at = [segments[index] for index in here.tolist()]
            best += [s.probabilities[emotion] == max(s.probabilities.values()) for s in at]
            known = [s.label for s in at if s.label]
            labelled += [bool(s.label) for s in at]
            right += [name == emotion for name in known]
            found.append(bool(known) and max(set(known), key=known.count) == emotion)
    return (
        f"{np.mean(best):.1%}",
        f"{np.mean(labelled):.0%}",
        f"{np.mean(right):.1%}",
        f"{np.mean(found):.0%}",
    )


if __name__ == "__main__":
    main()
