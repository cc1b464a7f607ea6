"""Choose `StreamConfig`'s defaults, on real clips of known emotions one after the other.

python benchmarks/stream_decisions.py RUN [--bundle DIR]

RUN is what `ser-edge train` wrote, and its recordings have to be where they were. Each speaker who
was not trained on talks for minutes: blocks of one to three clips of one emotion, with pauses
between clips, and now and then a long silence. Validation speakers decide; the figures of the
choice are then taken once on test speakers. Writes ``results/stream.json`` and the table in
docs/streaming.md.

A block counts as found if more of it is labelled rightly than otherwise, and a stretch that was
labelled as right if most of it lies in blocks of that label; F1 is of both. The delay is the time
from a block's first speech until its label is given.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from filled import fill
from ser_edge import Classifier, Segment, Stream, StreamConfig, audio
from ser_edge.bundle import PRETRAINED
from ser_edge.streaming.segments import displayed_label, merge_segments
from ser_edge_train.progress import tracked
from ser_edge_train.tables import markdown_table

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "stream.json"
BLOCKS = 12
GRID = {
    "smoothing_s": (0.0, 0.5, 1.0, 2.0),
    "hysteresis": (0.0, 0.05, 0.15),
    "min_duration_s": (0.0, 0.5, 1.0),
    "threshold": (0.0, 0.35, 0.5, 0.65, 0.8),
}


@dataclass(frozen=True)
class Block:
    """A stretch of one emotion.

    Parameters
    ----------
    start_s, end_s : float
        Where it is in the talk [s].
    speech_s : float
        Where speech begins in it [s].
    label : str
    """

    start_s: float
    end_s: float
    speech_s: float
    label: str


@dataclass(frozen=True)
class Talk:
    """What one speaker says, and when in which emotion."""

    samples: NDArray[np.float32]
    blocks: tuple[Block, ...]


def main() -> None:
    """Read the command line and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--bundle", type=Path, default=PRETRAINED)
    arguments = parser.parse_args()
    classifier = Classifier.load(arguments.bundle)
    rate = classifier.bundle.manifest.input.features.sample_rate
    chosen_on, tested_on = (
        list(_talks(arguments.run, part, rate)) for part in ("validation", "test")
    )
    names = list(GRID)
    configs = [
        StreamConfig(**dict(zip(names, values, strict=True)))
        for values in itertools.product(*GRID.values())
    ]
    rows = [
        {**asdict(config), **_figures(classifier, chosen_on, config)}
        for config in tracked(iter(configs), "validation talks", len(configs))
    ]
    default = StreamConfig()
    # One setting at a time, about the defaults.
    near = [row for row in rows if sum(row[name] != getattr(default, name) for name in names) <= 1]
    content = {
        "validation": near,
        "best": sorted(rows, key=lambda row: -row["f1"])[:5],
        "test": {**asdict(default), **_figures(classifier, tested_on, default)},
        "minutes": {
            part: sum(len(talk.samples) for talk in talks) / rate / 60
            for part, talks in (("validation", chosen_on), ("test", tested_on))
        },
        "speakers": {"validation": len(chosen_on), "test": len(tested_on)},
    }
    RESULTS.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    fill(ROOT / "docs" / "streaming.md", "stream:decisions", _table(content, default))


def _table(content: dict[str, Any], default: StreamConfig) -> str:
    def cells(row: dict[str, Any]) -> tuple[str, ...]:
        return (
            f"{row['f1']:.1%}",
            f"{row['found']:.0%}",
            f"{row['right']:.0%}",
            f"{row['delay_s']:.1f} s",
            f"{row['changes_a_minute']:.1f}",
        )

    rows = []
    for row in content["validation"]:
        changed = [name for name in GRID if row[name] != getattr(default, name)]
        name = f"`{changed[0]}={row[changed[0]]:g}`" if changed else "**defaults**"
        rows.append((name, *cells(row)))
    rows.sort(key=lambda row: row[0])
    rows.append(("defaults, test speakers", *cells(content["test"])))
    header = ["setting", "F1", "blocks found", "stretches right", "delay", "changes a minute"]
    return markdown_table(header, rows)


def _talks(run: Path, part: str, rate: int) -> Iterator[Talk]:
    with (run / "split.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["part"] == part]
    for number, speaker in enumerate(sorted({row["speaker"] for row in rows})):
        mine = [row for row in rows if row["speaker"] == speaker]
        yield _talk(mine, rate, np.random.default_rng(number))


def _talk(rows: Sequence[dict[str, str]], rate: int, rng: np.random.Generator) -> Talk:
    labels = sorted({row["label"] for row in rows})
    pieces: list[NDArray[np.float32]] = []
    blocks: list[Block] = []
    now, last = 0.0, ""

    def add(samples: NDArray[np.float32]) -> None:
        nonlocal now
        pieces.append(samples)
        now += len(samples) / rate

    def pause(seconds: float) -> None:
        add(np.asarray(1e-4 * rng.standard_normal(round(seconds * rate)), np.float32))

    for _ in range(BLOCKS):
        last = str(rng.choice([label for label in labels if label != last]))
        mine = [row for row in rows if row["label"] == last]
        start_s, speech_s = now, None
        for row in rng.choice(np.array(mine, object), min(len(mine), rng.integers(1, 4)), False):
            clip = audio.load(row["path"], rate)
            loud = np.flatnonzero(np.abs(clip) > 0.1 * np.abs(clip).max())
            speech_s = speech_s if speech_s is not None else now + loud[0] / rate
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
        heard = _heard(classifier, talk, config)
        for block in talk.blocks:
            shares = _shares(heard, block)
            found.append(bool(shares) and max(shares, key=shares.__getitem__) == block.label)
            first = next(
                (
                    s.end_s
                    for s in heard
                    if displayed_label(s) == block.label
                    and block.speech_s < s.end_s <= block.end_s + 1.5
                ),
                None,
            )
            if first is not None:
                delays.append(first - block.speech_s)
        labelled = [s for s in merge_segments(heard) if s.state == "speech"]
        right += [_within(s, talk.blocks) for s in labelled]
        changes += len(labelled)
        seconds += heard[-1].end_s
    recall, precision = float(np.mean(found)), float(np.mean(right))
    return {
        "f1": 2 * recall * precision / max(recall + precision, 1e-9),
        "found": recall,
        "right": precision,
        "delay_s": float(np.median(delays)),
        "changes_a_minute": 60 * changes / seconds,
    }


_KEPT: dict[int, list[Segment]] = {}


def _heard(classifier: Classifier, talk: Talk, config: StreamConfig) -> list[Segment]:
    """Run the network once a talk, and decide anew for each setting."""
    from ser_edge.streaming.smoothing import LabelSmoother

    if id(talk) not in _KEPT:
        rate = classifier.bundle.manifest.input.features.sample_rate
        stream = Stream(classifier, rate)
        _KEPT[id(talk)] = [*stream.feed(talk.samples), *stream.flush()]
    segments = _KEPT[id(talk)]
    decide = LabelSmoother(config, segments[1].end_s - segments[1].start_s)
    decided = []
    for segment in segments:
        labels, shares = zip(*segment.probabilities.items(), strict=True)
        best, share, state = decide(np.array(shares), silent=segment.state == "silence")
        decided.append(replace(segment, label=labels[best], probability=share, state=state))
    return decided


def _shares(heard: Sequence[Segment], block: Block) -> dict[str, float]:
    """Return how long each label is given in a block [s]."""
    shares: dict[str, float] = {}
    for segment in heard:
        overlap = min(segment.end_s, block.end_s) - max(segment.start_s, block.start_s)
        if overlap > 0 and segment.state == "speech":
            shares[segment.label] = shares.get(segment.label, 0.0) + overlap
    return shares


def _within(stretch: Segment, blocks: Sequence[Block]) -> bool:
    inside = sum(
        max(0.0, min(stretch.end_s, block.end_s) - max(stretch.start_s, block.start_s))
        for block in blocks
        if block.label == stretch.label
    )
    return inside > (stretch.end_s - stretch.start_s) / 2


if __name__ == "__main__":
    main()
