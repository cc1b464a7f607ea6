"""The speech that benchmarks use: a folder of corpora, such as speech/ravdess and speech/tess."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np


def add_corpora_option(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--corpora``."""
    parser.add_argument(
        "--corpora", type=Path, default=Path("speech"), help="a folder of corpora; default speech"
    )


def corpus_clips(corpora: Path) -> dict[str, list[Path]]:
    """List the WAV and FLAC files of each corpus in a folder; empty if there are none."""
    folders = sorted(p for p in corpora.iterdir() if p.is_dir()) if corpora.is_dir() else []
    found = {folder.name: audio_files(folder) for folder in folders}
    return {name: clips for name, clips in found.items() if clips}


def audio_files(folder: Path) -> list[Path]:
    """List the WAV and FLAC files below a folder."""
    return sorted(p for p in folder.rglob("*") if p.suffix in (".wav", ".flac"))


def sample_clips(corpora: Path, count: int) -> list[Path]:
    """Draw clips from all corpora, the same each time."""
    clips = [clip for some in corpus_clips(corpora).values() for clip in some]
    chosen = np.random.default_rng(0).permutation(len(clips))[:count]
    return [clips[number] for number in chosen]
