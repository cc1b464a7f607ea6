"""How much do the centred labels of a file gain over those of a live stream?

python benchmarks/file_labels.py CORPUS... [--bundle DIR]

prints the table of docs/streaming.md. Clips of each speaker are joined to a talk with known
boundaries: eight turns of one to three clips of one emotion, pauses between clips, a long silence
now and then. Both label the same recording with the same windows, at the default settings.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from measuring.audio_file import write_float_wav
from ser_edge import Classifier, Segment, Stream, audio
from ser_edge.bundle import PRETRAINED
from ser_edge.streaming import analyze
from ser_edge_train.corpora import find_clips
from ser_edge_train.tables import markdown_table

TURNS = 8
_GRID_S = 0.05


@dataclass(frozen=True)
class Talk:
    """Joined clips of one speaker, and start, end and emotion of each turn."""

    samples: NDArray[np.float32]
    turns: tuple[tuple[float, float, str], ...]


def main() -> None:
    """Read the command line and print the table."""
