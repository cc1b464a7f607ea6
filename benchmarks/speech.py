"""The recordings that benchmarks hear: a folder of corpora, as speech/ravdess and speech/tess."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np


def add_corpora(parser: argparse.ArgumentParser) -> None:
    """Give a benchmark the option that names the folder."""
    parser.add_argument(
        "--corpora", type=Path, default=Path("speech"), help="a folder of corpora; default speech"
    )


def clips_of(corpora: Path) -> dict[str, list[Path]]:
    """Return the recordings of each corpus; nothing where there are none."""
    if not corpora.is_dir():
        return {}
    folders = sorted(path for path in corpora.iterdir() if path.is_dir())
    found = {
        folder.name: sorted(p for p in folder.rglob("*") if p.suffix in (".wav", ".flac"))
        for folder in folders
    }
    return {name: clips for name, clips in found.items() if clips}


def draw(corpora: Path, count: int) -> list[Path]:
    """Draw recordings of all corpora, the same each time."""
    clips = [clip for some in clips_of(corpora).values() for clip in some]
    chosen = np.random.default_rng(0).permutation(len(clips))[:count]
    return [clips[number] for number in chosen]
