"""Do labels stay the same when NumPy resamples a clip instead of soxr?

Networks of a bundle predict each clip from `ser_edge.audio.load` and from ``librosa.load``. A clip
is a tie between two labels if an inaudible change of soxr's samples (noise at -120 dB, or a gain of
0.01 dB) changes its label; no two resamplers can be expected to agree there. Exit status 1 if a
label differs on a clip that is no tie. parity.py compares the features.

python benchmarks/resampling_parity.py CORPORA --bundle RUN/bundle
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import librosa
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from measuring import results
from measuring.speech import corpus_clips
from ser_edge import Classifier, audio
from ser_edge_train.tables import markdown_table

SAMPLE_RATE = 22050
NOISE, DRAWS = 1e-6, 20
GAIN = 10 ** (0.01 / 20)
TEST_BUNDLE = results.ROOT / "tests" / "data" / "bundle"


def is_tie(classifier: Classifier, samples: NDArray[np.float32]) -> bool:
    """Test whether an inaudible change changes the label."""
    noise = NOISE * np.random.default_rng(0).standard_normal((DRAWS, samples.size))
    changed = [samples, samples * GAIN, samples / GAIN, *(samples + noise)]
    return len({classifier.predict(each, SAMPLE_RATE).label for each in changed}) > 1


def compare(clip: Path, classifier: Classifier) -> tuple[float, str]:
    """Return the largest difference of a probability, and how the label differs, if it does."""
    theirs = librosa.load(clip, sr=SAMPLE_RATE)[0]
    a = classifier.predict(audio.load(clip, SAMPLE_RATE), SAMPLE_RATE)
    b = classifier.predict(theirs, SAMPLE_RATE)
    difference = max(abs(p - b.probabilities[label]) for label, p in a.probabilities.items())
    if a.label == b.label:
        return difference, ""
    second, first = sorted(b.probabilities.values())[-2:]
    tie = "a tie" if is_tie(classifier, theirs) else "no tie"
    return difference, f"{tie}, {a.label} instead of {b.label}, margin {first - second:.4f}"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("corpora", type=Path, help="folder with a folder of clips for each corpus")
    parser.add_argument("--bundle", type=Path, default=TEST_BUNDLE)
    parser.add_argument(
        "--networks",
        nargs="+",
        default=["litert:int8", "onnx:float32"],
        metavar="BACKEND:PRECISION",
        help="default: litert:int8 onnx:float32",
    )
    parser.add_argument("--every", type=int, default=1, metavar="N", help="use every N-th clip")
    arguments = parser.parse_args(argv)
    rows, others = [], []
    for network in arguments.networks:
        backend, _, precision = network.partition(":")
        classifier = Classifier.load(arguments.bundle, backend=backend, precision=precision or None)
        for corpus, clips in corpus_clips(arguments.corpora).items():
            used = track(clips[:: arguments.every], corpus, console=Console(stderr=True))
            found = {clip: compare(clip, classifier) for clip in used}
            differing = [f"{network}, {clip}: {how}" for clip, (_, how) in found.items() if how]
            largest = max(difference for difference, _ in found.values())
            rows.append((network, corpus, len(found), f"{largest:.4f}", len(differing)))
            others += differing
    if not rows:
        parser.error(f"{arguments.corpora} has no folder with WAV or FLAC clips")
    header = ["network", "corpus", "clips", "largest difference", "other labels"]
    print("\n".join([markdown_table(header, rows), *others]))
    return int(any("no tie" in other for other in others))


if __name__ == "__main__":
    sys.exit(main())
