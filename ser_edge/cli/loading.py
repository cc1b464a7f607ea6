"""Which bundle the options name, and its classifier."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ser_edge.cli.options import BUNDLE_VARIABLE
from ser_edge.cli.stderr import quiet_interpreters

if TYPE_CHECKING:
    from ser_edge.classifier import Classifier


def bundle_folder(given: str | None) -> str | Path:
    """Return the given folder, or else the environment's, or else the one that ships."""
    from ser_edge.bundle import PRETRAINED

    return given or os.environ.get(BUNDLE_VARIABLE) or PRETRAINED


def limit_blas(threads: int) -> None:
    """Limit OpenBLAS's threads, which busy-wait on every core; call it before importing NumPy."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", str(threads))


def load_classifier(arguments: argparse.Namespace, profile: Path | None = None) -> Classifier:
    """Return the classifier of `ser_edge.cli.options.add_model`'s options."""
    limit_blas(arguments.threads)
    from ser_edge.adaptation.profile import Profile
    from ser_edge.classifier import Classifier

    with quiet_interpreters():
        return Classifier.load(
            bundle_folder(arguments.bundle),
            backend=arguments.backend,
            precision=arguments.precision,
            threads=arguments.threads,
            profile=Profile.load(profile) if profile else None,
        )
