"""Do features and labels stay the same when NumPy resamples a clip instead of soxr?

For each clip: the published features from `ser_edge.audio.load` and from ``librosa.load``, and the
labels of a bundle's networks on the whole clip from both. Inside are frames 50 ms or more from the
edges of the part that was read. A clip is a tie between two labels if an inaudible change (noise at
-120 dB, or a gain of 0.01 dB) of soxr's own samples changes its label; no two resamplers can be
expected to agree there. Exit status 1 if an MFCC inside differs by more than 0.1, or the label of a
clip that is no tie.

python benchmarks/resampling_parity.py CORPORA --bundle RUN/bundle
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import librosa
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from measuring import results
from measuring.speech import corpus_clips
from ser_edge import Classifier, FeatureExtractor, audio

SAMPLE_RATE = 22050
EDGE = SAMPLE_RATE // 20
OFFSET_S, DURATION_S = 0.6, 2.5
TOLERANCE = 0.1
NOISE, DRAWS = 1e-6, 20
GAIN = 10 ** (0.01 / 20)
TEST_BUNDLE = results.ROOT / "tests" / "data" / "bundle"


@dataclass
class Deviations:
    """The largest differences in one corpus, and the clips whose labels differ."""

    clips: int = 0
    inside: float = 0.0
    anywhere: float = 0.0
    probability: dict[str, float] = field(default_factory=dict)
    other_labels: list[OtherLabel] = field(default_factory=list)


@dataclass(frozen=True)
class OtherLabel:
    """A clip whose label differs between the resamplers."""

    clip: str
    network: str
    ours: str
    theirs: str
    margin: float
    tie: bool

    def __str__(self) -> str:
        return (
            f"{self.clip}, {self.network}: {self.ours} instead of {self.theirs}, "
            f"{'a tie' if self.tie else 'no tie'}; {self.margin:.4f} between soxr's two most "
            "probable labels"
        )


def mfcc_deviation(clip: Path) -> tuple[float, float]:
    """Return the largest difference of an MFCC in the frames inside, and in all frames."""
    ours = audio.load(clip, SAMPLE_RATE, offset_s=OFFSET_S, duration_s=DURATION_S)
    theirs, _ = librosa.load(clip, sr=SAMPLE_RATE, offset=OFFSET_S, duration=DURATION_S)
    expected = librosa.feature.mfcc(y=theirs, sr=SAMPLE_RATE).T
    error = np.abs(FeatureExtractor()(ours)[:, 2:] - expected).max(axis=1)
    centre = np.arange(error.size) * 512
    inside = (centre >= 1024 + EDGE) & (centre + 1024 <= ours.size - EDGE)
    return float(error[inside].max(initial=0.0)), float(error.max())


def is_tie(classifier: Classifier, samples: NDArray[np.float32]) -> bool:
    """Test whether an inaudible change changes the label."""
    noise = NOISE * np.random.default_rng(0).standard_normal((DRAWS, samples.size))
    changed = [samples, samples * GAIN, samples / GAIN, *(samples + noise)]
    return len({classifier.predict(each, SAMPLE_RATE).label for each in changed}) > 1


def compare(clip: Path, classifiers: dict[str, Classifier], found: Deviations) -> None:
    inside, anywhere = mfcc_deviation(clip)
    found.clips += 1
    found.inside = max(found.inside, inside)
    found.anywhere = max(found.anywhere, anywhere)
    ours, theirs = audio.load(clip, SAMPLE_RATE), librosa.load(clip, sr=SAMPLE_RATE)[0]
    for name, classifier in classifiers.items():
        a, b = classifier.predict(ours, SAMPLE_RATE), classifier.predict(theirs, SAMPLE_RATE)
        difference = max(abs(p - b.probabilities[label]) for label, p in a.probabilities.items())
        found.probability[name] = max(found.probability.get(name, 0.0), difference)
        if a.label != b.label:
            second, first = sorted(b.probabilities.values())[-2:]
            tie = is_tie(classifier, theirs)
            found.other_labels.append(
                OtherLabel(clip.name, name, a.label, b.label, first - second, tie)
            )


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
    classifiers = {}
    for network in arguments.networks:
        backend, _, precision = network.partition(":")
        classifiers[network] = Classifier.load(
            arguments.bundle, backend=backend, precision=precision or None
        )
    columns = ("corpus", "clips", "inside", "anywhere", "network", "probability", "labels")
    table = Table(*columns, title="Largest differences of MFCC and probability; other labels")
    deviations = []
    for corpus, clips in corpus_clips(arguments.corpora).items():
        found = Deviations()
        for clip in track(clips[:: arguments.every], corpus, console=Console(stderr=True)):
            compare(clip, classifiers, found)
        deviations.append(found)
        cells = [corpus, str(found.clips), f"{found.inside:.4f}", f"{found.anywhere:.4f}"]
        for name, difference in found.probability.items():
            n_others = sum(other.network == name for other in found.other_labels)
            table.add_row(*cells, name, f"{difference:.4f}", str(n_others))
            cells = [""] * len(cells)
    if not deviations:
        parser.error(f"{arguments.corpora} has no folder with WAV or FLAC clips")
    Console().print(table)
    others = [other for found in deviations for other in found.other_labels]
    for other in others:
        print(other)
    failed = max(found.inside for found in deviations) > TOLERANCE
    return int(failed or any(not other.tie for other in others))


if __name__ == "__main__":
    sys.exit(main())
