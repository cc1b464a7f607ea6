"""How close features are to librosa's, and exported forms to Keras's; not the maximum alone.

python benchmarks/bench_parity.py [RUN ...] [--corpora speech] [--every 1]

writes ``results/parity.json``. Features: of the same samples, every descriptor over the corpora and
over 200 random signals; and from the corpora's own files, by `ser_edge.audio.load` and by
``librosa.load``, in frames that end 50 ms and more inside and in those at the clip's edges. Forms:
each of RUN/bundle in each interpreter, on the run's own test clips, as the export's gate compares
them. A RUN is what ``ser-edge train`` and ``ser-edge export --all --audio`` left.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import librosa
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

import record
from speech import add_corpora, clips_of

sys.path.append(str(record.ROOT / "tests"))

from librosa_features import librosas, random_signal

from ser_edge import FeatureConfig, FeatureExtractor, audio
from ser_edge.bundle import Bundle
from ser_edge_export.run_model import trained_model_of_run
from ser_edge_train.variant_comparison import compare_variants

RATE = 22050
EDGE = RATE // 20
OFFSET_S, DURATION_S = 0.6, 2.5
PUBLISHED = ("zcr", "rms", "mfcc")
ALL = (*PUBLISHED, "log_mel", "centroid", "rolloff", "flatness", "delta")
EXTRACT = FeatureExtractor(FeatureConfig(descriptors=ALL))
DECADES = np.arange(-10, 3.01, 0.25)
N_RANDOM = 200
HEARD = 1e-6  # a thirtieth of a 16-bit step; what is below is no sound, and crosses zero at random

# Per corpus and descriptor, the errors of each clip.
Errors = dict[str, dict[str, list[NDArray[np.float32]]]]


def errors(
    found: NDArray[np.float32], expected: dict[str, NDArray[Any]]
) -> dict[str, NDArray[np.float32]]:
    """Return the absolute differences of a clip, by descriptor [shape=(n_frames, n_columns)]."""
    columns = EXTRACT.config.columns_of
    return {
        name: np.abs(found[:, columns[name]] - rows).astype(np.float32)
        for name, rows in expected.items()
    }


def same_samples(y: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Compare every descriptor of one signal."""
    return errors(EXTRACT(y), librosas(y, EXTRACT.config))


def from_file(clip: Path, ours: NDArray[np.float32]) -> dict[str, dict[str, NDArray[np.float32]]]:
    """Compare the published descriptors of a file, read in both ways: inside, and at the edges."""
    theirs, _ = librosa.load(clip, sr=RATE, offset=OFFSET_S, duration=DURATION_S)
    found = EXTRACT(ours)
    expected = librosas(theirs, FeatureConfig(descriptors=PUBLISHED))
    config = FeatureConfig(descriptors=("zcr",))
    found[:, 0] = FeatureExtractor(config)(np.where(np.abs(ours) > HEARD, ours, 0))[:, 0]
    expected |= librosas(np.where(np.abs(theirs) > HEARD, theirs, 0), config)
    centre = np.arange(len(found)) * 512
    inside = (centre >= 1024 + EDGE) & (centre + 1024 <= len(ours) - EDGE)
    difference = errors(found, expected)
    return {
        place: {name: error[rows] for name, error in difference.items()}
        for place, rows in (("inside", inside), ("edges", ~inside))
    }


def features(clips: dict[str, list[Path]]) -> dict[str, Any]:
    """Compare features over corpora and random signals."""
    groups: dict[str, Errors] = {
        name: defaultdict(lambda: defaultdict(list)) for name in ("same samples", "inside", "edges")
    }

    def note(group: str, corpus: str, found: dict[str, NDArray[np.float32]]) -> None:
        for name, error in found.items():
            groups[group][corpus][name].append(error)

    rng = np.random.default_rng(0)
    for _ in range(N_RANDOM):
        y = random_signal(rng)
        if len(y) >= 9 * 512:  # which the delta of nine frames needs
            note("same samples", "random signals", same_samples(y))
    for corpus, some in clips.items():
        for clip in track(some, corpus, console=Console(stderr=True)):
            y = audio.load(clip, RATE, offset_s=OFFSET_S, duration_s=DURATION_S)
            if len(y) >= 9 * 512:
                note("same samples", corpus, same_samples(y))
            for place, found in from_file(clip, y).items():
                note(place, corpus, found)
    real = {group: _joined(found) for group, found in groups.items()}
    return {
        "distributions": {
            group: {
                corpus: {name: distribution(error) for name, error in of_names.items()}
                for corpus, of_names in by_corpus.items()
            }
            for group, by_corpus in real.items()
        },
        "histograms": {
            group: {name: histogram(error) for name, error in by_corpus["all corpora"].items()}
            for group, by_corpus in real.items()
            if "all corpora" in by_corpus
        },
    }


def _joined(by_corpus: Errors) -> dict[str, dict[str, NDArray[np.float32]]]:
    """Put the clips' errors behind one another, by corpus and over all of them."""
    joined = {
        corpus: {name: np.concatenate([e.ravel() for e in some]) for name, some in names.items()}
        for corpus, names in by_corpus.items()
    }
    corpora = [names for corpus, names in joined.items() if corpus != "random signals"]
    if corpora:
        joined["all corpora"] = {
            name: np.concatenate([names[name] for names in corpora]) for name in corpora[0]
        }
    return joined


def distribution(error: NDArray[np.float32]) -> dict[str, float]:
    """Sum up errors: how many, what half, 99 % and 99.9 % of them keep below, the largest."""
    median, p99, p999 = np.percentile(error, [50, 99, 99.9]).tolist()
    return {
        "n": int(error.size),
        "median": median,
        "p99": p99,
        "p999": p999,
        "largest": float(error.max()),
    }


def histogram(error: NDArray[np.float32]) -> dict[str, Any]:
    """Count errors by their decimal logarithm; exact ones apart."""
    logs = np.log10(error[error > 0])
    counts, _ = np.histogram(np.clip(logs, DECADES[0], DECADES[-1]), DECADES)
    return {"exact": int((error == 0).sum()), "counts": counts.tolist()}


def forms(run: Path) -> dict[str, Any]:
    """Hold every exported form of a run against the Keras model, on the run's test clips."""
    source, bundle = trained_model_of_run(run), Bundle.open(run / "bundle")
    takes = {model.input_kind for model in bundle.manifest.models}
    reference = source.reference(source.test, source.samples() if "audio" in takes else None)
    return {
        "run": run.name,
        "recipe": source.about["recipe"]["name"],
        "n_clips": len(source.test.y_true),
        "forms": [
            {
                "file": form.file,
                "backend": form.backend,
                "same_label": form.agreement,
                "expected_same_label": form.expected_agreement,
                "largest_change": form.largest_change,
                "snr_db": form.snr_db,
                "uar_change": form.uar_change,
                "mcnemar_p": form.mcnemar_p,
            }
            for form in compare_variants(bundle, reference)
        ],
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and write the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUN")
    add_corpora(parser)
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take each N-th clip")
    arguments = parser.parse_args(argv)
    clips = {name: c[:: arguments.every] for name, c in clips_of(arguments.corpora).items()}
    if not clips:
        print(f"{arguments.corpora}: holds no corpora; random signals alone", file=sys.stderr)
    if not arguments.runs:
        print("no RUN was named; exported forms are left out", file=sys.stderr)
    found = {
        "clips": {name: len(some) for name, some in clips.items()},
        "decades": DECADES.tolist(),
        **features(clips),
        "runs": [forms(run) for run in arguments.runs],
    }
    print(record.write("parity", found))


if __name__ == "__main__":
    main()
