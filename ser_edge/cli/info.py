"""`ser-edge info`: what a bundle contains."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from ser_edge.cli.loading import bundle_folder
from ser_edge.cli.options import add_bundle, add_json
from ser_edge.errors import BundleError
from ser_edge.terminal import printable

if TYPE_CHECKING:
    from ser_edge.bundle import Bundle


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_bundle(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Check the bundle's files, and print its content."""
    from ser_edge.bundle import Bundle

    bundle = Bundle.open(bundle_folder(arguments.bundle))
    for model in bundle.manifest.models:
        bundle.model_bytes(model)
    print(json.dumps(to_dict(bundle)) if arguments.json else describe(bundle))
    return 0


def to_dict(bundle: Bundle) -> dict[str, Any]:
    """Return the manifest, with the bundle's ``folder`` and the usable ``interpreters``."""
    content: dict[str, Any] = json.loads(bundle.manifest.to_json())
    return {"folder": str(bundle.folder), "interpreters": _interpreters(), **content}


def describe(bundle: Bundle) -> str:
    """Return a table of what a bundle contains; a bad ``about`` raises `BundleError`."""
    manifest = bundle.manifest
    window_s, sample_rate = manifest.input.window.duration_s, manifest.input.features.sample_rate
    usable = (f"{name} {'yes' if usable else 'no'}" for name, usable in _interpreters().items())
    rows = [
        ("bundle", f"{manifest.name} in {bundle.folder}, all model files intact (sha256)"),
        ("labels", ", ".join(manifest.labels)),
        ("input", f"{window_s} s windows at {sample_rate} Hz, {manifest.input.shape} numbers each"),
        *(
            ("model", f"{m.file}, {m.precision}, {m.size_bytes / 1024:.0f} KiB")
            for m in manifest.models
        ),
        ("interpreters", ", ".join(usable)),
    ]
    try:
        rows += _about(manifest.about)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BundleError(
            f"`about` in its manifest does not fit ({error!r})", "export it again", bundle.folder
        ) from None
    return "\n".join(f"{name:<13} {printable(value)}" for name, value in rows)


def _interpreters() -> dict[str, bool]:
    """Return which ones are installed for this NumPy; `ser_edge.doctor` tests whether they work."""
    from ser_edge.backends import INTERPRETERS

    return {name: interpreter.usable for name, interpreter in INTERPRETERS.items()}


def _about(about: dict[str, Any]) -> list[tuple[str, str]]:
    """Return rows of the manifest's ``about``, which may lack any entry."""
    rows = [
        *(("degraded", violation) for violation in about.get("acceptance", {}).get("failed", [])),
        ("corpora", ", ".join(about.get("corpora", {}))),
        ("licence", about.get("licence", "not stated")),
    ]
    scores = about.get("metrics", {}).get("all")
    if scores:
        accuracy = (
            f"UAR {scores['uar']:.1%} on {scores['n_clips']} clips of {scores['n_speakers']} "
            f"speakers, protocol {about['protocol']['name']}; MODEL_CARD.md has the intervals"
        )
        rows.append(("accuracy", accuracy))
    return rows
