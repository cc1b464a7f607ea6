"""Which defaults should `StreamConfig` have?

python benchmarks/stream_defaults.py RUN [--bundle DIR]

writes ``results/stream_defaults.json`` and the table in docs/streaming.md. RUN is a run of
`ser-edge train`; its recordings must still be in place. Clips of each speaker are joined to talks
of minutes: blocks of one to three clips of one emotion, pauses between clips, a long silence now
and then. Validation speakers decide; test speakers are measured once, with the chosen defaults.

A block is found if its label has the largest share of it; a merged segment is right if more than
half of it lies in blocks of its label; F1 is of these two. The delay is the time from a block's
first speech to its label.
"""

from __future__ import annotations

import argparse
import csv
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from measuring import document_tables, results
from ser_edge import Classifier, Segment, Stream, StreamConfig, audio
from ser_edge.bundle import PRETRAINED
from ser_edge.streaming.segments import displayed_label, merge_segments
from ser_edge_train.progress import tracked

BLOCKS = 12
GRID = {"smoothing_s": (0.0, 0.5, 1.0, 2.0), "threshold": (0.0, 0.35, 0.5, 0.65, 0.8)}


@dataclass(frozen=True)
class Block:
    """Consecutive clips of one emotion; speech begins at `speech_s`."""

    start_s: float
    end_s: float
    speech_s: float
    label: str


@dataclass(frozen=True)
class Talk:
    """Joined clips of one speaker, and their emotions."""

    samples: NDArray[np.float32]
    blocks: tuple[Block, ...]


def main() -> None:
    """Read the command line and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--bundle", type=Path, default=PRETRAINED)
    arguments = parser.parse_args()
    classifier = Classifier.load(arguments.bundle)
    sample_rate = classifier.bundle.manifest.input.features.sample_rate
    validation, test = (
        list(_talks(arguments.run, part, sample_rate)) for part in ("validation", "test")
    )
    configs = [
        StreamConfig(**dict(zip(GRID, values, strict=True)))
        for values in itertools.product(*GRID.values())
    ]
    default = StreamConfig()
    rows = [
        {**_settings(config), **_figures(classifier, validation, config)}
        for config in tracked(iter(configs), "validation talks", len(configs))
    ]
    # One setting at a time, around the defaults.
    near = [row for row in rows if sum(row[name] != getattr(default, name) for name in GRID) <= 1]
    found = {
        "bundle": classifier.bundle.manifest.name,
        "settings": list(GRID),
        "validation": near,
        "best": sorted(rows, key=lambda row: -row["f1"])[:5],
        "test": {**_settings(default), **_figures(classifier, test, default)},
        "minutes": {
            part: sum(len(talk.samples) for talk in talks) / sample_rate / 60
            for part, talks in (("validation", validation), ("test", test))
        },
        "speakers": {"validation": len(validation), "test": len(test)},
    }
    print(results.write("stream_defaults", found))
    document_tables.fill_documents()


def _settings(config: StreamConfig) -> dict[str, float]:
    return {name: getattr(config, name) for name in GRID}


def _talks(run: Path, part: str, sample_rate: int) -> Iterator[Talk]:
    with (run / "split.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["part"] == part]
    for number, speaker in enumerate(sorted({row["speaker"] for row in rows})):
        own = [row for row in rows if row["speaker"] == speaker]
        yield _talk(own, sample_rate, np.random.default_rng(number))


def _talk(rows: Sequence[dict[str, str]], sample_rate: int, rng: np.random.Generator) -> Talk:
    labels = sorted({row["label"] for row in rows})
    pieces: list[NDArray[np.float32]] = []
    blocks: list[Block] = []
    now, last = 0.0, ""

    def add(samples: NDArray[np.float32]) -> None:
        nonlocal now
        pieces.append(samples)
        now += len(samples) / sample_rate

    def pause(seconds: float) -> None:
        add(np.asarray(1e-4 * rng.standard_normal(round(seconds * sample_rate)), np.float32))

    for _ in range(BLOCKS):
        last = str(rng.choice([label for label in labels if label != last]))
        own = [row for row in rows if row["label"] == last]
        start_s, speech_s = now, None
        for row in rng.choice(np.array(own, object), min(len(own), rng.integers(1, 4)), False):
            clip = audio.load(row["path"], sample_rate)
            loud = np.flatnonzero(np.abs(clip) > 0.1 * np.abs(clip).max())
            speech_s = speech_s if speech_s is not None else now + loud[0] / sample_rate
            add(clip)
            pause(rng.uniform(0.1, 0.6))
        assert speech_s is not None
        blocks.append(Block(start_s, now, speech_s, last))
        if rng.random() < 0.25:
            pause(rng.uniform(2, 5))
    return Talk(np.concatenate(pieces), tuple(blocks))


def _figures(
    classifier: Classifier, talks: Sequence[Talk], config: StreamConfig
) -> dict[str, float]:
    found, right, delays, changes, seconds = [], [], [], 0, 0.0
    for talk in talks:
        segments = _segments(classifier, talk, config)
        for block in talk.blocks:
            shares = _shares(segments, block)
            found.append(bool(shares) and max(shares, key=shares.__getitem__) == block.label)
            first = next(
                (
                    s.end_s
                    for s in segments
                    if displayed_label(s) == block.label
                    and block.speech_s < s.end_s <= block.end_s + 1.5
                ),
                None,
            )
            if first is not None:
                delays.append(first - block.speech_s)
        labelled = [s for s in merge_segments(segments) if s.state == "speech"]
        right += [_within(s, talk.blocks) for s in labelled]
        changes += len(labelled)
        seconds += segments[-1].end_s
    recall, precision = float(np.mean(found)), float(np.mean(right))
    return {
        "f1": 2 * recall * precision / max(recall + precision, 1e-9),
        "recall": recall,
        "precision": precision,
        "delay_s": float(np.median(delays)),
        "changes_per_minute": 60 * changes / seconds,
    }


_unsmoothed: dict[int, list[Segment]] = {}


def _segments(classifier: Classifier, talk: Talk, config: StreamConfig) -> list[Segment]:
    """Run the network once per talk, and smooth its probabilities again for each setting."""
    from ser_edge.streaming.smoothing import LabelSmoother

    if id(talk) not in _unsmoothed:
        stream = Stream(classifier, classifier.bundle.manifest.input.features.sample_rate)
        _unsmoothed[id(talk)] = [*stream.feed(talk.samples), *stream.flush()]
    segments = _unsmoothed[id(talk)]
    smooth = LabelSmoother(config, segments[1].end_s - segments[1].start_s)
    smoothed = []
    for segment in segments:
        labels, shares = zip(*segment.probabilities.items(), strict=True)
        best, share, state = smooth(np.array(shares), silent=segment.state == "silence")
        label = labels[best] if state == "speech" else None
        smoothed.append(replace(segment, label=label, probability=share, state=state))
    return smoothed


def _shares(segments: Sequence[Segment], block: Block) -> dict[str, float]:
    """Return the duration of each label in a block [s]."""
    shares: dict[str, float] = {}
    for segment in segments:
        overlap = min(segment.end_s, block.end_s) - max(segment.start_s, block.start_s)
        if overlap > 0 and segment.label:
            shares[segment.label] = shares.get(segment.label, 0.0) + overlap
    return shares


def _within(merged: Segment, blocks: Sequence[Block]) -> bool:
    inside = sum(
        max(0.0, min(merged.end_s, block.end_s) - max(merged.start_s, block.start_s))
        for block in blocks
        if block.label == merged.label
    )
    return inside > (merged.end_s - merged.start_s) / 2


if __name__ == "__main__":
    main()
