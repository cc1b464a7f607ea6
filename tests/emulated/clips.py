"""Real clips as WAV files for a device."""

from __future__ import annotations

import os
from pathlib import Path

import soundfile

from emulated.roots import SOURCE

_CORPORA = Path(os.environ.get("SER_EDGE_CORPORA", SOURCE.parent / "shared" / "corpora"))
_EACH = 40


def write_clips(folder: Path) -> int:
    """Write evenly chosen clips of each corpus into a folder.

    Returns
    -------
    count : int
        Number of clips; 0 without the corpora.
    """
    folder.mkdir()
    for corpus in ("ravdess", "tess", "emodb"):
        paths = sorted((_CORPORA / corpus).rglob("*.flac"))
        for path in paths[:: max(1, len(paths) // _EACH)][:_EACH]:
            samples, rate = soundfile.read(path, dtype="int16")
            soundfile.write(folder / f"{corpus}-{path.stem}.wav", samples, rate, "PCM_16")
    return len(list(folder.iterdir()))
