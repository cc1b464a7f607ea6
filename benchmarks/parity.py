"""How close are the features to librosa's, and exported variants to the Keras model?

python benchmarks/parity.py [RUN ...] [--corpora speech] [--every 1]

writes ``results/parity.json``, with distributions, not only maxima. Features: every descriptor of
the same samples, on corpora and on 200 random signals; and of the corpora's files, read by
`ser_edge.audio.load` and by ``librosa.load``, in frames 50 ms or more inside and at the edges.
Variants: each of RUN/bundle in each interpreter, on the run's test clips, as at export. A RUN is
the output of ``ser-edge train`` and ``ser-edge export --all --audio``.
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

from measuring import results
from measuring.speech import add_corpora_option, corpus_clips

sys.path.append(str(results.ROOT / "tests"))

from librosa_features import librosas, random_signal

from ser_edge import FeatureConfig, FeatureExtractor, audio
from ser_edge.bundle import Bundle
from ser_edge_export.run_model import trained_model_of_run
from ser_edge_train.variant_comparison import compare_variants

SAMPLE_RATE = 22050
EDGE = SAMPLE_RATE // 20
OFFSET_S, DURATION_S = 0.6, 2.5
PUBLISHED = ("zcr", "rms", "mfcc")
ALL = (*PUBLISHED, "log_mel", "centroid", "rolloff", "flatness", "delta")
EXTRACT = FeatureExtractor(FeatureConfig(descriptors=ALL))
ZCR = FeatureExtractor(FeatureConfig(descriptors=("zcr",)))
DECADES = np.arange(-10, 3.01, 0.25)
N_RANDOM = 200
MIN_SAMPLES = 9 * 512  # a delta spans nine frames
# A thirtieth of a 16-bit step: below it two resamplers' rounding crosses zero at random.
AUDIBLE = 1e-6

Errors = dict[str, NDArray[np.float32]]  # by descriptor


def errors(found: NDArray[np.float32], expected: dict[str, NDArray[Any]]) -> Errors:
    """Return the absolute differences of a clip, by descriptor [shape=(n_frames, n_columns)]."""
    columns = EXTRACT.config.columns_of
    return {
        name: np.abs(found[:, columns[name]] - rows).astype(np.float32)
        for name, rows in expected.items()
    }


def file_errors(clip: Path, ours: NDArray[np.float32]) -> dict[str, Errors]:
    """Compare the published descriptors of a file read in both ways, inside and at the edges."""
    theirs, _ = librosa.load(clip, sr=SAMPLE_RATE, offset=OFFSET_S, duration=DURATION_S)
    found = EXTRACT(ours)
    expected = librosas(theirs, FeatureConfig(descriptors=PUBLISHED))
    found[:, 0] = ZCR(np.where(np.abs(ours) > AUDIBLE, ours, 0))[:, 0]
    expected |= librosas(np.where(np.abs(theirs) > AUDIBLE, theirs, 0), ZCR.config)
    centre = np.arange(len(found)) * 512
    inside = (centre >= 1024 + EDGE) & (centre + 1024 <= len(ours) - EDGE)
    difference = errors(found, expected)
    return {
        place: {name: error[rows] for name, error in difference.items()}
        for place, rows in (("inside", inside), ("edges", ~inside))
    }


def features(clips: dict[str, list[Path]]) -> dict[str, Any]:
    """Compare features on corpora and on random signals."""
    groups: dict[str, dict[str, dict[str, list[NDArray[np.float32]]]]] = {
        name: defaultdict(lambda: defaultdict(list)) for name in ("same samples", "inside", "edges")
    }

    def add(group: str, corpus: str, found: Errors) -> None:
        for name, error in found.items():
            groups[group][corpus][name].append(error.ravel())

    def add_same_samples(corpus: str, y: NDArray[np.float32]) -> None:
        if len(y) >= MIN_SAMPLES:
            add("same samples", corpus, errors(EXTRACT(y), librosas(y, EXTRACT.config)))

    rng = np.random.default_rng(0)
    for _ in range(N_RANDOM):
        add_same_samples("random signals", random_signal(rng))
    for corpus, some in clips.items():
        for clip in track(some, corpus, console=Console(stderr=True)):
            y = audio.load(clip, SAMPLE_RATE, offset_s=OFFSET_S, duration_s=DURATION_S)
            add_same_samples(corpus, y)
            for place, found in file_errors(clip, y).items():
                add(place, corpus, found)
    joined: dict[str, dict[str, Errors]] = {}
    for group, by_corpus in groups.items():
        joined[group] = {
            corpus: {name: np.concatenate(some) for name, some in names.items()}
            for corpus, names in by_corpus.items()
        }
        corpora = [names for corpus, names in joined[group].items() if corpus != "random signals"]
        if corpora:
            joined[group]["all corpora"] = {
                name: np.concatenate([names[name] for names in corpora]) for name in corpora[0]
            }
    return {
        "distributions": {
            group: {
                corpus: {name: distribution(error) for name, error in names.items()}
                for corpus, names in by_corpus.items()
            }
            for group, by_corpus in joined.items()
        },
        "histograms": {
            group: {name: histogram(error) for name, error in by_corpus["all corpora"].items()}
            for group, by_corpus in joined.items()
            if "all corpora" in by_corpus
        },
    }


def distribution(error: NDArray[np.float32]) -> dict[str, float]:
    """Return the number of errors, percentiles and the largest."""
    median, p99, p999 = np.percentile(error, [50, 99, 99.9]).tolist()
    largest = float(error.max())
    return {"n": error.size, "median": median, "p99": p99, "p999": p999, "largest": largest}


def histogram(error: NDArray[np.float32]) -> dict[str, Any]:
    """Count errors by their decimal logarithm; exact ones apart."""
    logs = np.log10(error[error > 0])
    counts, _ = np.histogram(np.clip(logs, DECADES[0], DECADES[-1]), DECADES)
    return {"exact": int((error == 0).sum()), "counts": counts.tolist()}


def variants(run: Path) -> dict[str, Any]:
    """Compare every exported variant of a run with the Keras model, on the run's test clips."""
    source, bundle = trained_model_of_run(run), Bundle.open(run / "bundle")
    input_kinds = {model.input_kind for model in bundle.manifest.models}
    samples = source.samples() if "audio" in input_kinds else None
    reference = source.reference(source.test, samples)
    return {
        "run": run.name,
        "recipe": source.about["recipe"]["name"],
        "n_clips": len(source.test.y_true),
        "variants": [
            {
                "file": variant.file,
                "backend": variant.backend,
                "same_label": variant.agreement,
                "expected_same_label": variant.expected_agreement,
                "largest_change": variant.largest_change,
                "snr_db": variant.snr_db,
                "uar_change": variant.uar_change,
                "mcnemar_p": variant.mcnemar_p,
            }
            for variant in compare_variants(bundle, reference)
        ],
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and write the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUN")
    add_corpora_option(parser)
    parser.add_argument("--every", type=int, default=1, metavar="N", help="use every N-th clip")
    arguments = parser.parse_args(argv)
    clips = {name: c[:: arguments.every] for name, c in corpus_clips(arguments.corpora).items()}
    if not clips:
        print(f"{arguments.corpora}: no corpora found; random signals only", file=sys.stderr)
    if not arguments.runs:
        print("no RUN given; exported variants are left out", file=sys.stderr)
    found = {
        "clips": {name: len(some) for name, some in clips.items()},
        "decades": DECADES.tolist(),
        **features(clips),
        "runs": [variants(run) for run in arguments.runs],
    }
    print(results.write("parity", found))


if __name__ == "__main__":
    main()
