"""Whether a clip is the same to features and networks when NumPy resamples it as when soxr does.

Of every clip of some corpora, the published 2376-vector is computed by `ser_edge` from
`ser_edge.audio.load` and by librosa from `librosa.load`, and a bundle's networks hear the whole
clip from both. Inside are the frames that end 50 ms or more inside the part that was read. A clip
is on the edge between two labels if a change that nobody can hear (noise at -120 dB, or 0.01 dB
more or less) makes a network say the other of soxr's own samples; no two resamplers can be expected
to agree there. Exits with 1 where an MFCC inside differs by more than 0.1, or the label of a clip
that is not on an edge.

python benchmarks/parity_resampling.py CORPORA --bundle RUN/bundle
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

from ser_edge import Classifier, FeatureExtractor, audio

RATE = 22050
EDGE = RATE // 20
OFFSET_S, DURATION_S = 0.6, 2.5
TOLERANCE = 0.1
NOISE, DRAWS = 1e-6, 20
GAIN = 10 ** (0.01 / 20)
TEST_BUNDLE = Path(__file__).parents[1] / "tests" / "data" / "bundle"


@dataclass
class Deviations:
    """The largest differences in one corpus' clips, and whose label differs."""

    clips: int = 0
    inside: float = 0.0
    anywhere: float = 0.0
    probability: dict[str, float] = field(default_factory=dict)
    other_labels: list[OtherLabel] = field(default_factory=list)


@dataclass(frozen=True)
class OtherLabel:
    """A clip of which a network says something else."""

    clip: str
    network: str
    ours: str
    theirs: str
    margin: float
    on_edge: bool

    def __str__(self) -> str:
        edge = "on the edge between them" if self.on_edge else "not on an edge"
        return (
            f"{self.clip}, {self.network}: {self.ours} instead of {self.theirs}, {edge}; "
            f"{self.margin:.4f} between soxr's two most probable labels"
        )


def mfcc_deviation(clip: Path) -> tuple[float, float]:
    """Return the largest difference of an MFCC in the frames inside, and in all."""
    ours = audio.load(clip, RATE, offset_s=OFFSET_S, duration_s=DURATION_S)
    theirs, _ = librosa.load(clip, sr=RATE, offset=OFFSET_S, duration=DURATION_S)
    expected = librosa.feature.mfcc(y=theirs, sr=RATE).T
    error = np.abs(FeatureExtractor()(ours)[:, 2:] - expected).max(axis=1)
    centre = np.arange(error.size) * 512
    inside = (centre >= 1024 + EDGE) & (centre + 1024 <= ours.size - EDGE)
    return float(error[inside].max(initial=0.0)), float(error.max())


def on_edge(classifier: Classifier, samples: NDArray[np.float32]) -> bool:
    """Tell whether a change that nobody can hear is one of labels."""
    rng = np.random.default_rng(0)
    noise = NOISE * rng.standard_normal((DRAWS, samples.size))
    variants = [samples, samples * GAIN, samples / GAIN, *(samples + noise)]
    return len({classifier.predict(variant, RATE).label for variant in variants}) > 1


def compare(clip: Path, classifiers: dict[str, Classifier], found: Deviations) -> None:
    inside, anywhere = mfcc_deviation(clip)
    found.clips += 1
    found.inside = max(found.inside, inside)
    found.anywhere = max(found.anywhere, anywhere)

    ours, theirs = audio.load(clip, RATE), librosa.load(clip, sr=RATE)[0]
    for name, classifier in classifiers.items():
        a, b = classifier.predict(ours, RATE), classifier.predict(theirs, RATE)
        difference = max(abs(p - b.probabilities[label]) for label, p in a.probabilities.items())
        found.probability[name] = max(found.probability.get(name, 0.0), difference)
        if a.label != b.label:
            second, first = sorted(b.probabilities.values())[-2:]
            found.other_labels.append(
                OtherLabel(
                    clip.name, name, a.label, b.label, first - second, on_edge(classifier, theirs)
                )
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
        help="what hears the clips (default: litert:int8 onnx:float32)",
    )
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take each N-th clip")
    arguments = parser.parse_args(argv)
    classifiers = {}
    for network in arguments.networks:
        backend, _, precision = network.partition(":")
        classifiers[network] = Classifier.load(
            arguments.bundle, backend=backend, precision=precision or None
        )

    if not arguments.corpora.is_dir():
        parser.error(f"{arguments.corpora} is no folder")
    columns = ("corpus", "clips", "inside", "anywhere", "network", "probability", "labels")
    table = Table(*columns, title="Largest differences of MFCC and probability; other labels")
    results = []
    for folder in sorted(p for p in arguments.corpora.iterdir() if p.is_dir()):
        clips = sorted(p for p in folder.rglob("*") if p.suffix in (".wav", ".flac"))
        if not clips:
            continue
        found = Deviations()
        for clip in track(clips[:: arguments.every], folder.name, console=Console(stderr=True)):
            compare(clip, classifiers, found)
        results.append(found)
        cells = [folder.name, str(found.clips), f"{found.inside:.4f}", f"{found.anywhere:.4f}"]
        for name, difference in found.probability.items():
            n_others = sum(other.network == name for other in found.other_labels)
            table.add_row(*cells, name, f"{difference:.4f}", str(n_others))
            cells = [""] * len(cells)
    if not results:
        parser.error(f"{arguments.corpora} holds no folder with WAV or FLAC clips")
    Console().print(table)
    others = [other for found in results for other in found.other_labels]
    for other in others:
        print(other)
    failed = max(found.inside for found in results) > TOLERANCE
    return int(failed or any(not other.on_edge for other in others))


if __name__ == "__main__":
    sys.exit(main())
